"""A small made-up feed in the shape of a real one: four sites, one of them much used."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

BEGIN_S = datetime(2030, 3, 4, tzinfo=UTC).timestamp()
HOUR_S = 3_600.0
# Name, post, kind, degrees east of the first site.
PLUGS = (
    ("a1", "PA", "CHAdeMO", 0.0),
    ("a2", "PA", "ComboCCS", 0.0),
    ("b1", "PB", "CHAdeMO", 0.05),
    ("b2", "PB", "ComboCCS", 0.05),
    ("c1", "PC", "StandardType2", 0.02),
    ("d1", "PD", "CHAdeMO", 0.08),
)


def at(hours: float) -> str:
    """An instant as the feed writes it."""
    return datetime.fromtimestamp(BEGIN_S + hours * HOUR_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class SmallFeed:
    """The two files, and the rows of the second."""

    connectors: Path
    intervals: Path
    rows: tuple[tuple[str, str, float, float], ...]

    def cut(self, folder: Path, from_h: float, to_h: float, name: str) -> Path:
        """The states within some hours as a file of their own."""
        inside = [
            (plug, state, max(begin, from_h), min(end, to_h))
            for plug, state, begin, end in self.rows
            if end > from_h and begin < to_h
        ]
        return written(folder / name, inside)


def written(path: Path, rows: list[tuple[str, str, float, float]]) -> Path:
    """A file of states, zipped if its name says so."""
    lines = ["connector_id,state,start,end,censored"]
    lines += [f"{plug},{state},{at(begin)},{at(end)},False" for plug, state, begin, end in rows]
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def small_feed(folder: Path, days: int = 3, seed: int = 1) -> SmallFeed:
    """The files in a folder: posts PA and PB take a car every hour or two, PD hardly ever."""
    connectors = folder / "connectors.csv"
    rows = ["connector_id,cp,type,address,county,lat,lon"]
    rows += [f"{n},{post},{kind},{post} road,X,53.3,{-6.3 + e}" for n, post, kind, e in PLUGS]
    connectors.write_text("\n".join(rows) + "\n")
    rng = np.random.default_rng(seed)
    states: list[tuple[str, str, float, float]] = []
    for post, gap_h in (("PA", 1.0), ("PB", 2.0), ("PC", 6.0), ("PD", 20.0)):
        cars, now = [], 0.0
        while now < 24.0 * days:
            begin = now + max(0.25, round(rng.exponential(gap_h) * 12) / 12)
            now = begin + max(0.25, round(rng.exponential(0.5) * 12) / 12)
            cars.append((begin, now))
        for name in (name for name, of, _, _ in PLUGS if of == post):
            states += _line(name, cars, 24.0 * days)
    return SmallFeed(connectors, written(folder / "intervals.csv.gz", states), tuple(states))


def _line(
    name: str, cars: list[tuple[float, float]], end_h: float
) -> list[tuple[str, str, float, float]]:
    rows, now = [], 0.0
    for begin, end in cars:
        if begin >= end_h:
            break
        rows.append((name, "available_or_unlisted", now, begin))
        rows.append((name, "occ", begin, min(end, end_h)))
        now = min(end, end_h)
    if now < end_h:
        rows.append((name, "available_or_unlisted", now, end_h))
    return rows
