"""The command ``penchant``: its commands and how errors become messages and exit codes."""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from penchant import __version__
from penchant.cli.plain_values import convert_seldom
from penchant.data.reading.wording import command_line
from penchant.errors import AmbiguousItemError, InputError, PenchantError

# one module per group of commands, each with register(app), in the order of the help
GROUPS = {
    "demo": ("demo",),
    "inspect": ("inspect",),
    "models": ("models",),
    "plan": ("plan",),
    "prepare": ("prepare",),
    "fit": ("fit",),
    "tune": ("tune",),
    "train": ("train",),
    "verify": ("verify",),
    "recommend": ("recommend", "similar", "explain", "search"),
    "neighbours": ("similar-users",),
    "segment": ("segment",),
    "evaluate": ("evaluate",),
    "opinion": ("opinion",),
    "serve": ("serve", "keys"),
    "backup": ("backup", "restore"),
    "events": ("events",),
    "privacy": ("privacy",),
    "import_gorse": ("import-gorse",),
    "warm": ("warm",),
}
COMMANDS = {command: group for group, commands in GROUPS.items() for command in commands}
BAD_INPUT, INTERRUPTED = 2, 130
GARBAGE = 100_000  # new objects before Python looks for unreachable ones
MATCHES_SHOWN = 20
EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}


def make_app(command: str | None = None) -> typer.Typer:
    """The typer application with all its commands, or only with the group of one: loading all takes half a second."""
    app = typer.Typer(
        name="penchant",
        help="Personalised recommendations: from a raw log of who did what to answers that explain themselves.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def penchant(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        pass

    for group in [COMMANDS[command]] if command in COMMANDS else GROUPS:
        importlib.import_module(f"penchant.cli.{group}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"penchant {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (failed), 2 (bad input) or 130 (interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with command_line():
            app = make_app(words[0] if words else None)
            command = typer.main.get_command(app)
            convert_seldom(command)
            done = command.main(args=words, prog_name="penchant", standalone_mode=False, obj=words)
        sys.stdout.flush()
    except BrokenPipeError:
        return _unread()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # typer turns it into a failure
            return _unread()
        raise
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # an unexpected error is raised again
        return _failed(error, words)
    return done if isinstance(done, int) else 0


def _unread() -> int:
    """The reader of our output closed it early, which is not a failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 0


def _failed(error: Exception, words: Sequence[str]) -> int:
    """One line on standard error for an expected error; an unexpected one keeps its traceback."""
    if isinstance(error, PenchantError):
        _say(str(error))
        if isinstance(error, AmbiguousItemError):
            for item_id, title in error.matches[:MATCHES_SHOWN]:
                print(f"  {item_id}  {title}", file=sys.stderr)
            if len(error.matches) > MATCHES_SHOWN:
                print(f"  and {len(error.matches) - MATCHES_SHOWN:,} more", file=sys.stderr)
        return BAD_INPUT if isinstance(error, InputError) else 1
    if hasattr(error, "format_message"):  # an error of typer about the arguments
        if message := _plain(error):
            ending = "" if message.endswith((".", "?", "!")) else "."
            _say(f"{message[0].lower()}{message[1:]}{ending} penchant {_command(words)}--help lists the options")
        return int(getattr(error, "exit_code", BAD_INPUT))
    if isinstance(error, OSError):
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    if isinstance(error, MemoryError):
        from penchant.core.memory import MIB, free_bytes

        free = free_bytes()
        _say(f"out of memory{'' if free is None else f': {free / MIB:,.0f} MiB are free now'}")
        return 1
    raise error


def _plain(error: Any) -> str:
    """The message of typer, without the wording of its validation library."""
    message = str(error.format_message())
    checks = getattr(error.__cause__, "errors", None)
    if not callable(checks):
        return message
    wrong = checks()[0]
    given, option = repr(str(wrong.get("input"))[:80]), re.search(r"for '([^']+)'", message)
    if option is None or wrong.get("type") not in EXPECTED:
        return f"{message} ({given})"
    return f"{option[1]} must be {EXPECTED[wrong['type']].format(**wrong.get('ctx') or {})}, got {given}"


def _command(words: Sequence[str]) -> str:
    first = next((word for word in words if not word.startswith("-")), "")
    return f"{first} " if first in COMMANDS else ""


def _say(text: str) -> None:
    print("penchant:", " ".join(text.split()), file=sys.stderr)


def run() -> None:
    """The entry point of the ``penchant`` script."""
    gc.set_threshold(GARBAGE)  # loading libraries makes many objects that stay: nothing is gained by looking at each
    code = main()
    gc.freeze()  # the process ends: nothing is gained by looking for unreachable objects either
    sys.exit(code)
