"""What `python -m city_sim replay` can be asked, and what it takes where nothing is said."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from city_sim.replay.feed import instant
from pilewise.wrong_words import WordParser

REQUESTS = 10_000
TAKEN_RETRY_S = 1_800.0  # who counts first tries wants them, and drives a little for them


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for; ends the process with words for what cannot be."""
    parser = WordParser(prog="city_sim replay", description="a real feed again")
    parser.add_argument("--connectors", type=Path, required=True, help="CSV of connectors")
    parser.add_argument("--intervals", type=Path, required=True, help="CSV of their states")
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--history", type=Path, default=None, help="earlier states to learn from")
    earlier.add_argument("--history-until", type=_instant, default=None, help="learn until then")
    parser.add_argument("--fast", action="store_true", help="the core alone, without sockets")
    parser.add_argument("--requests", type=_count, default=REQUESTS, help="at most so many")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--own-plug", action="store_true", help="the plug that a driver took is a candidate, free"
    )
    parser.add_argument(
        "--taken-retry-s", type=_seconds, default=TAKEN_RETRY_S,
        help="what a plug found taken counts beyond the wait; the product's default is 0",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, default=None, help="folder for a page")
    live = parser.add_argument_group("without --fast")
    live.add_argument("--piles", type=_count, default=40, help="around the busiest plug")
    live.add_argument("--from", dest="from_s", type=_instant, default=None, help="where it begins")
    live.add_argument("--for-min", type=_positive, default=60.0, help="minutes of the feed")
    live.add_argument("--speed", type=_positive, default=30.0, help="times real time")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args(arguments)


def _instant(text: str) -> float:
    try:
        return instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: write 2018-11-08") from error


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
