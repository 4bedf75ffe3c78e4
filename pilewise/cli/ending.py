"""How the command ends when it does not end well: wrong words, Ctrl-C, a reader that went away.

What goes wrong inside a command is told there, by `output.fail`.
"""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from typing import Any

import typer

from pilewise.cli.launch import remember
from pilewise.cli.output import Exit, explain
from pilewise.unread import ending

INTERRUPTED = 130
# The base of all that a shell user can get wrong, of whichever click typer brings along.
_WRONG_WORDS: Any = typer.BadParameter.__mro__[2]
_MEANT = re.compile(r"\s*(?:\(?Possible options?: |Did you mean (?:one of: )?)(.+?)[)?]?\s*$")


def run(command: Any, words: list[str] | None = None) -> int:
    """The exit code of the command with these words, after all was told."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show must not end the command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    return ending(lambda: _ended(command, words))


def _ended(command: Any, words: list[str] | None) -> int:
    remember(command, sys.argv[1:] if words is None else words)
    try:
        code = command.main(words, prog_name="pilewise", standalone_mode=False)
    except _WRONG_WORDS as error:
        return _tell(error)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("stopped\n")
        return INTERRUPTED
    except SystemExit as error:
        # Typer meets a reader that went away with silenced streams and the code of a failure.
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            return int(Exit.OK)
        return error.code if isinstance(error.code, int) else int(Exit.FAILED)
    return int(code or 0)


def _tell(error: Any) -> int:
    """Wrong words in the house's style; the exit code is that of wrong usage."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "pilewise"
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
        return int(Exit.USAGE)
    message = error.format_message()
    meant = _MEANT.search(message)
    hint = f"{path} --help shows what there is"
    if meant is not None:
        message = message[: meant.start()].rstrip()
        known = getattr(error, "possibilities", None) or [meant[1]]
        nearest = get_close_matches(getattr(error, "option_name", ""), known, 1) or known
        hint = f"did you mean {nearest[0]}? {hint}"
    explain("CMD-100", message.rstrip("."), hint=hint)
    return int(getattr(error, "exit_code", Exit.USAGE))
