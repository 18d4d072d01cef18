"""``python -m envtool``."""

from envtool.cli import main

if __name__ == "__main__":
    main()
