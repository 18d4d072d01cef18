"""What runs inside PyInstaller or inside the frozen app: standard library only, and no import of envtool."""
