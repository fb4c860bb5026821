"""`python -m mix2midi` is the same as `mix2midi`."""

from mix2midi.cli import main

if __name__ == "__main__":
    main()
