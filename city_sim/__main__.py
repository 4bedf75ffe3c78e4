"""`python -m city_sim compare|paper|replay`: policies, the paper's own simulation, a real feed.

The demo is `pilewise demo`, the log of a day `python -m city_sim.log`.
"""

from __future__ import annotations

import sys

from city_sim import compare
from city_sim.paper import command as paper
from city_sim.replay import command as replay


def main(arguments: list[str]) -> int:
    """Runs the command; 2 for one that is not known."""
    if arguments[:1] == ["compare"]:
        return compare.main(arguments[1:])
    if arguments[:1] == ["paper"]:
        return paper.main(arguments[1:])
    if arguments[:1] == ["replay"]:
        return replay.main(arguments[1:])
    print("usage: python -m city_sim compare|paper|replay [--help]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
