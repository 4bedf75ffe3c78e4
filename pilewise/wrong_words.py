"""Wrong words on a room's command line, told as the `pilewise` command tells them.

For the parsers of rooms that a command becomes; what the words mean is each room's affair.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import NoReturn

# In the environment of a room: the command that became it, as its user typed it.
COMMAND = "PILEWISE_COMMAND"
USAGE = 2
_OF = re.compile(r"^argument (.+?): ")


class WordParser(argparse.ArgumentParser):
    """A parser whose complaints are `error[CMD-100]` with a hint, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Tells what is wrong and ends the process with the exit code of wrong usage."""
        command = os.environ.get(COMMAND) or self.prog
        said = _OF.sub(r"\1: ", message)
        sys.stderr.write(f"error[CMD-100]: {said}\n  hint: {command} --help shows what there is\n")
        sys.exit(USAGE)
