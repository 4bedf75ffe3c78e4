"""Choices from a file: what is taken in, and what is named as wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coordinator.core.recommend.features import COLUMN, FEATURES
from training.choices_file import NEEDED, ChoicesUnusable, read_choices
from training.datasets import split

Row = dict[str, str]


def rows(requests: int, candidates: int = 3) -> list[Row]:
    """Requests of one hour each, the second candidate chosen, `drive_min` numbered."""
    made = []
    for request in range(requests):
        for place in range(candidates):
            row = dict.fromkeys(FEATURES, "0.5")
            row |= {
                "request": f"r{request}",
                "at": f"2026-01-05T{request:02d}:00:00Z",
                "station": f"S{place}",
                "chosen": str(int(place == 1)),
                "drive_min": str(10 * request + place),
                "visits": str(place),
            }
            made.append(row)
    return made


def written(folder: Path, content: list[Row]) -> Path:
    path = folder / "choices.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, [*content[0]])
        out.writeheader()
        out.writerows(content)
    return path


def test_rows_of_a_request_become_one_choice(tmp_path: Path) -> None:
    """Rows are gathered by request and put in order of time; what was chosen is the label."""
    content = rows(4)

    choices = read_choices(written(tmp_path, content[6:] + content[:6]))

    assert len(choices) == 4
    assert choices.chosen.tolist() == [1, 1, 1, 1]
    assert choices.mask.sum(axis=1).tolist() == [3, 3, 3, 3]
    assert choices.features[2, :3, COLUMN["drive_min"]].tolist() == [20.0, 21.0, 22.0]
    assert choices.visits[0, :3].tolist() == [0.0, 1.0, 2.0]
    assert (np.diff(choices.at_s) == 3600.0).all()
    assert len(set(choices.station[0, :3])) == 3


def test_one_city_is_learned_from_and_tested_later(tmp_path: Path) -> None:
    """A file is one city: it is cut by time, and no city is kept apart."""
    parts = split(read_choices(written(tmp_path, rows(20))))

    assert len(parts.train) + len(parts.validation) + len(parts.test) == 20
    assert len(parts.train) > len(parts.test) > 0
    assert len(parts.elsewhere) == 0


def change(**fields: str) -> Callable[[list[Row]], None]:
    def apply(content: list[Row]) -> None:
        content[4].update(fields)

    return apply


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (change(wait_min="soon"), "line 6: wait_min 'soon' is not a finite number"),
        (change(price_per_session="nan"), "line 6: price_per_session 'nan' is not a finite"),
        (change(at="2026-01-05T01:00:00"), "line 6: at '2026-01-05T01:00:00' is not an instant"),
        (change(at="2026-01-05T02:00:00Z"), "line 6: at differs from line 5 of the same request"),
        (change(chosen="yes"), "line 6: chosen 'yes' is neither 0 nor 1"),
        (change(chosen="0"), "line 5: request 'r1' has 0 rows chosen, expected 1"),
        (change(request=""), "line 6: request is empty"),
    ],
)
def test_bad_rows_are_named_by_line_and_column(
    tmp_path: Path, spoil: Callable[[list[Row]], None], told: str
) -> None:
    """A row that cannot be used is named with what stands there; nothing is guessed."""
    content = rows(3)
    spoil(content)

    with pytest.raises(ChoicesUnusable) as refused:
        read_choices(written(tmp_path, content))

    assert told in str(refused.value)


def test_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    """All absent columns are told together, and the hint lists those that there must be."""
    content = [{k: v for k, v in row.items() if k not in ("at", "soc_pct")} for row in rows(2)]

    with pytest.raises(ChoicesUnusable) as refused:
        read_choices(written(tmp_path, content))

    assert refused.value.faults == ("line 1: no column at", "line 1: no column soc_pct")
    assert all(name in refused.value.hint for name in NEEDED)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    """The first twenty are told, the others counted."""
    content = rows(20)
    for row in content:
        row["dc"] = ""

    with pytest.raises(ChoicesUnusable, match="and 40 more"):
        read_choices(written(tmp_path, content))
