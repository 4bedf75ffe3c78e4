"""docs/sim-ocpp.md names every message, fault and habit of the simulated charge point."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ocpp.v16.enums import Action as Action16
from ocpp.v201.enums import Action as Action201

from firmware_sim.config import load_config
from firmware_sim.core import ocpp_faults, sensor_faults
from firmware_sim.faces.ocpp16.station import Station as Station16
from firmware_sim.faces.ocpp201.station import Station as Station201

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "sim-ocpp.md").read_text()


def rows_of(text: str) -> list[list[str]]:
    """The rows of all tables, cell by cell."""
    lines = (line.strip("|") for line in text.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.split("|")] for line in lines]


ROWS = rows_of(TEXT)


def column(number: int) -> set[str]:
    """The words of one column of the table of messages."""
    return {word for row in ROWS if len(row) == 5 for word in row[number].split()}


def answered(station: type) -> set[str]:
    """The actions that a station has an answer to."""
    methods = (getattr(station, name) for name in dir(station))
    return {str(m._on_action) for m in methods if hasattr(m, "_on_action")}


@pytest.mark.parametrize(("number", "station"), [(2, Station16), (4, Station201)])
def test_every_action_that_is_answered_is_in_the_table(number: int, station: type) -> None:
    """The table has the actions of the handlers, no more and no less."""
    assert column(number) - {"1.6:", "2.0.1:", "answers"} == answered(station)


@pytest.mark.parametrize(
    ("number", "version", "enum"), [(1, "16", Action16), (3, "201", Action201)]
)
def test_every_message_that_is_said_is_in_the_table(number: int, version: str, enum: type) -> None:
    """The table has the calls that the face's files make, no more and no less."""
    folder = ROOT / "firmware_sim" / "faces" / f"ocpp{version}"
    code = "\n".join(path.read_text() for path in folder.glob("*.py"))
    said = set(re.findall(r"\bcall\.([A-Z]\w+)", code))

    assert column(number) - {"1.6:", "2.0.1:", "says"} == said
    assert said <= {str(action) for action in enum}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("part", "known"),
    [(0, ocpp_faults.KNOWN), (2, sensor_faults.KNOWN)],
    ids=["charge points", "sensors"],
)
def test_every_fault_is_in_a_table_with_its_meaning(part: int, known: dict[str, str]) -> None:
    """Each name has a row that says what it does, and no row has a name that is none."""
    rows = rows_of(re.split(r"^(## Sensors)$", TEXT, flags=re.MULTILINE)[part])
    told = {re.split(r"[:\[]", row[0].strip("`"))[0]: row[1] for row in rows if len(row) == 2}

    assert {name: told[name] for name in told if name != "Name"} == known


def test_every_error_code_is_named() -> None:
    """The list of CALLERROR codes is whole."""
    listed = TEXT.partition("`VALUE` of `error`:")[2].partition("###")[0]

    assert set(re.findall(r"[A-Z]\w+", listed)) == ocpp_faults.ERROR_CODES


def test_example_is_a_configuration(tmp_path: Path) -> None:
    """The file that the page shows is taken as it is."""
    example = re.search(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert example is not None
    (tmp_path / "sim.toml").write_text(example[1])

    pile = load_config(tmp_path / "sim.toml").piles[0]

    assert [fault.name for fault in pile.spec.ocpp_faults] == [
        "ocpp:clock:-3600",
        "ocpp:reserve_occupied",
    ]
    assert pile.ocpp.signed_meter
