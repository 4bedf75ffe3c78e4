"""`python -m city_sim COMMAND`: the laboratory's commands, each in a module of its own.

The demo is `pilewise demo`, the log of a day `python -m city_sim.log`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from city_sim.logs import warnings_only
from pilewise.unread import ending

# Each module has `main(arguments) -> exit code`; only the one that runs is imported.
INTERRUPTED = 130
COMMANDS = {
    "compare": "city_sim.compare",
    "paper": "city_sim.paper.command",
    "replay": "city_sim.replay.command",
    "whatif": "city_sim.whatif.command",
}


def main(arguments: list[str]) -> int:
    """Runs the command; 2 for one that is not known."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        print(f"usage: python -m city_sim {'|'.join(COMMANDS)} [--help]", file=sys.stderr)
        return 2
    warnings_only()
    try:
        return int(import_module(COMMANDS[name]).main(arguments[1:]))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(ending(lambda: main(sys.argv[1:])))
