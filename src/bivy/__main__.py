"""Run bivy as ``python -m bivy``."""

from bivy.cli import main

if __name__ == "__main__":
    main()
