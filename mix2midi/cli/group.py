"""The program as a whole: its default command, its help page, and how it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from mix2midi.errors import Mix2MidiError

#: typer.Context's base, which the methods below are given, is private to typer.
Context = Any

DEFAULT_COMMAND = "convert"
#: Exit code after Ctrl-C, as shells have it: 128 and the number of the signal.
INTERRUPTED = 130
_OWN_OPTIONS = ("--help", "--version")


class PanelCommand(TyperCommand):
    """A command whose help lists its options in the groups that `rich_help_panel` names.

    Typer draws such groups with rich, whose import alone takes longer than `--help` may.
    """

    def format_options(self, ctx: Context, formatter: Any) -> None:
        """Write one section for each group, in the order of the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                name, text = record
                panel = getattr(param, "rich_help_panel", None) or "Other"
                name = name.partition(" <")[0]  # SONG, and not SONG <list[Path]>
                sections.setdefault(panel, []).append((name, text))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Arguments as manuals write them: SONG... and not {SONG}..."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Context, formatter: Any) -> None:
        """Write examples as they stand: wrapped, they could not be copied."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}")


class HelpfulGroup(TyperGroup):
    """Commands of one kind; without one it prints its help, as the program does."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Ask for help where nothing is asked for."""
        return super().parse_args(ctx, args or ["--help"])


class CommandGroup(TyperGroup):
    """All commands; `mix2midi song.mp3` means `mix2midi convert song.mp3`."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Fall back to the default command where the first word names none."""
        if "" in args:  # as a folder it would mean the current one
            raise typer.BadParameter("a word is empty; is a variable of the shell not set?")
        if not args:
            args = ["--help"]
        elif args[0] not in (*self.list_commands(ctx), *_OWN_OPTIONS):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Context, formatter: Any) -> None:
        """Write the help of the default command, which is what most come for, then the other commands."""
        default = self.get_command(ctx, DEFAULT_COMMAND)
        if default is not None:
            with typer.Context(default, info_name=ctx.info_name, parent=ctx.parent) as default_ctx:
                default.format_help(default_ctx, formatter)
        self.format_commands(ctx, formatter)
        with formatter.section("Program"):
            formatter.write_dl([record for param in self.params if (record := param.get_help_record(ctx))])

    def format_commands(self, ctx: Context, formatter: Any) -> None:
        """Write one line of help for each command, and write it whole."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, (command.help or "").partition("\n")[0]) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; every expected trouble becomes one line on stderr and an exit code.

        0 is success, 1 trouble with a file, a model, a device or a value, 2 words that are no command line, 130 Ctrl-C.
        """
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        _tolerate_odd_names()
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            words = sys.argv[1:] if args is None else args
            fail(f"{error.format_message()} ({self._hint(words)})", code=2)
        except Mix2MidiError as error:
            fail(str(error))
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except MemoryError:
            fail("out of memory; close other programs and try again")
        if code == INTERRUPTED:
            complain("interrupted; files that were begun are removed")
        sys.exit(code or 0)

    def _hint(self, words: Sequence[str]) -> str:
        """What helps someone whose words are no command line; a song may be called like an option or a command."""
        for place, word in enumerate(words):
            is_taken = word.startswith("-") or (place == 0 and word in self.commands)
            if is_taken and os.path.exists(word):
                return f"for what has this name on your disk write ./{word}"
        return "see mix2midi --help"


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one line of trouble and leave."""
    complain(message)
    sys.exit(code)


def complain(message: str) -> None:
    """Print trouble on stderr, on one line whatever a library put into its message."""
    typer.echo(f"mix2midi: {' '.join(message.split())}", err=True)


def _tolerate_odd_names() -> None:
    """File names need not be valid in the terminal's encoding; they are still to be printed."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
