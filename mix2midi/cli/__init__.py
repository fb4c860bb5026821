"""The command line: it parses, calls the pipeline, and reports. All work is done by the packages it calls.

Each command has a module here, `COMMANDS` of `mix2midi.cli.app` lists them. Whatever is slow to import (torch,
matplotlib, even numpy) is imported inside the commands, so that `mix2midi --help` answers at once.
"""

from mix2midi.cli.app import app, main

__all__ = ["app", "main"]
