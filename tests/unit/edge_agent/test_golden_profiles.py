"""Every bundled profile against registers that were worked out by hand from the datasheets."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from edge_agent.core.decoder import Decoder
from edge_agent.core.reading import EvseStatus, IecState, OcppStatus, Reading, Values
from edge_agent.core.registers import STATION_DEVICE, Span
from edge_agent.profiles import load_profile, profile_names

FOLDER = Path(__file__).parents[2] / "golden" / "profiles"
MODELS = [name for name in profile_names() if load_profile(name).is_modbus]
Registers = Mapping[tuple[int, int, int], int]


def vectors() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.toml")):
        for vector in tomllib.loads(path.read_text())["vector"]:
            yield pytest.param(path.stem, vector, id=f"{path.stem}: {vector['name']}")


def registers(listed: Mapping[str, Sequence[int]]) -> dict[tuple[int, int, int], int]:
    """(device, function, address) to word."""
    found: dict[tuple[int, int, int], int] = {}
    for key, words in listed.items():
        where, _, place = key.rpartition("/")
        device = STATION_DEVICE if where == "station" else int(where or 0)
        function, address = place.split(":")
        for offset, word in enumerate(words):
            found[device, int(function), int(address, 0) + offset] = word
    return found


def answered(blocks: Sequence[Span], listed: Registers) -> list[int]:
    """What the device answers to these reads; fails where a listed register is never read."""
    read = [(b.device, b.function, b.address + i) for b in blocks for i in range(b.count)]
    told = {key for key, word in listed.items() if word}
    assert told <= set(read), "the profile does not read what the datasheet names"
    return [listed.get(key, 0) for key in read]


def told(reading: Reading) -> dict[str, float]:
    pairs = ((f.name, getattr(reading.values, f.name)) for f in fields(Values))
    return {name: value for name, value in pairs if value is not None}


@pytest.mark.parametrize(("name", "vector"), list(vectors()))
def test_golden_vector_is_decoded_as_worked_by_hand(name: str, vector: Mapping[str, Any]) -> None:
    """Status, letter, values and faults of each EVSE, and what the device tells of itself."""
    count = vector.get("connectors", 1)
    decoder = Decoder(load_profile(name), [f"P*{n}" for n in range(1, count + 1)])
    if "once" in vector:
        facts = decoder.facts(answered(decoder.once, registers(vector["once"])))
        seen = {field: getattr(facts, field) for field in ("maker", "model", "serial", "firmware")}
        assert {field: text for field, text in seen.items() if text} == vector["facts"]

    readings = decoder.readings(answered(decoder.each, registers(vector["registers"])))

    assert len(vector["evse"]) == count
    for reading, wanted in zip(readings, vector["evse"], strict=True):
        assert reading.status is EvseStatus[wanted["status"]]
        assert reading.iec is IecState[wanted.get("iec", "UNSPECIFIED")]
        assert reading.ocpp is OcppStatus[wanted.get("ocpp", "UNSPECIFIED")]
        assert told(reading) == pytest.approx(wanted["values"])
        assert [fault.code for fault in reading.faults] == wanted.get("faults", [])
        assert not reading.suspect


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_several_golden_vectors(name: str) -> None:
    """No model comes without hand-worked registers, among them one that charges and one that
    does not."""
    known = tomllib.loads((FOLDER / f"{name}.toml").read_text())["vector"]

    states = {evse.get("iec", "") + evse.get("ocpp", "") for v in known for evse in v["evse"]}
    assert len(known) >= 2
    assert states & {"C", "CHARGING"}
    assert len(states) >= 2


@pytest.mark.parametrize("name", MODELS)
def test_every_conditional_branch_has_a_vector(name: str) -> None:
    """Each firmware- or product-dependent meaning, and the usual one, is met by a vector."""
    profile = load_profile(name)
    branches = {v for point in profile.points.values() for v in point.variants}
    known = tomllib.loads((FOLDER / f"{name}.toml").read_text())["vector"]

    assert len([v for v in known if "once" in v]) >= len(branches)


def test_no_vectors_without_a_model() -> None:
    """Every file of vectors belongs to a bundled profile."""
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(MODELS)
