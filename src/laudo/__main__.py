"""`python -m laudo`."""

from laudo.cli import main

if __name__ == "__main__":
    main()
