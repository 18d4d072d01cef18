"""What a project declares: requirements, where they come from, and what is locked. One reader per kind of file."""
