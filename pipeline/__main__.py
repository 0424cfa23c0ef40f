"""`python -m cornerstream`."""

from cornerstream.cli import main

if __name__ == "__main__":
    main()
