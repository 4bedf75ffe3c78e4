"""Connectors and their states over time: the shape of the Irish feed of November 2018.

The feed lists only what is not available, so unlisted counts as available; outages are debounced
where they are counted, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.sources.columns import STATES, Connectors, Index, Intervals
from training.sources.files import Column, Schema, SourceInvalid, rows
from training.sources.quality import Quality

CONNECTORS = Schema(
    "connectors",
    (
        Column("connector_id"),
        Column("cp", needed=False),
        Column("type", needed=False),
        Column("address", needed=False),
        Column("lat", "number", needed=False, low=-90.0, high=90.0, listed=False),
        Column("lon", "number", needed=False, low=-180.0, high=180.0, listed=False),
    ),
    key=("connector_id",),
)
INTERVALS = Schema(
    "intervals",
    (
        Column("connector_id"),
        Column("state", words=STATES),
        Column("start", "time"),
        Column("end", "time"),
    ),
    key=("connector_id", "start", "end"),
    begin="start",
    end="end",
    each="connector_id",
)


def read_connectors(path: Path) -> Connectors:
    """Connectors from connector_id, cp, type, address. Raises `SourceInvalid`."""
    found = list(rows(path, CONNECTORS, Quality()))
    if not found:
        raise SourceInvalid(path, "holds no connector", "give the list of connectors")
    types = tuple(sorted({row["type"] for row in found}))
    return Connectors(
        tuple(row["connector_id"] for row in found),
        np.array([types.index(row["type"]) for row in found], dtype=np.intp),
        _codes([row["cp"] for row in found]),
        _codes([row["address"] for row in found]),
        _codes([_family(row["cp"]) for row in found]),
        types,
    )


def read_intervals(path: Path, connectors: Connectors) -> Intervals:
    """States over time of these connectors, from connector_id, state, start, end.

    Raises `SourceInvalid` for a state or connector that is not known.
    """
    number = {name: row for row, name in enumerate(connectors.ids)}
    found: list[list[tuple[float, float, int]]] = [[] for _ in connectors.ids]
    quality = Quality()
    for row in rows(path, INTERVALS, quality):
        if row["connector_id"] not in number:
            raise SourceInvalid(
                path,
                f"line {quality.read + 1}: connector {row['connector_id']!r} is not in the list of"
                " connectors",
                "give the list that belongs to these intervals",
            )
        if row["end"] > row["start"]:
            state = STATES.index(row["state"])
            found[number[row["connector_id"]]].append((row["start"], row["end"], state))
    count = sum(map(len, found))
    if not count:
        raise SourceInvalid(path, "holds no interval", "give a file with status intervals")
    lines = []
    for one in found:
        one.sort()
        table = np.array(one, dtype=np.float64).reshape(-1, 3)
        lines.append((table[:, 0], table[:, 1], table[:, 2].astype(np.intp)))
    begin = min(float(starts[0]) for starts, _, _ in lines if len(starts))
    end = max(float(ends[-1]) for _, ends, _ in lines if len(ends))
    silent = sum(not len(starts) for starts, _, _ in lines)
    report = {"intervals": float(count), "connectors_without_interval": float(silent)}
    return Intervals(tuple(lines), begin, end, report)


def joined(first: Intervals, then: Intervals) -> Intervals:
    """Two files of the same connectors, one after the other; there may be a hole between."""
    lines = tuple(
        tuple(np.concatenate(pair) for pair in zip(a, b, strict=True))
        for a, b in zip(first.rows, then.rows, strict=True)
    )
    return Intervals(lines, first.from_s, then.to_s)  # type: ignore[arg-type]  # triples again


def _family(post: str) -> str:
    """The letters that a post's name begins with, after any prefix with a colon."""
    name = post.rpartition(":")[2]
    return name[: next((at for at, sign in enumerate(name) if sign.isdigit()), len(name))][:2]


def _codes(words: Sequence[str]) -> Index:
    _, codes = np.unique(np.array(words), return_inverse=True)
    return codes.astype(np.intp)
