"""What is special about torch: backends, the package family, the index, model archives."""
