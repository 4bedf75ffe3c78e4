"""Modbus units made of golden registers, for tests that read them over the wire."""

from __future__ import annotations

import tomllib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from edge_agent.core.registers import STATION_DEVICE

GOLDEN = Path(__file__).parents[1] / "golden" / "profiles"
Place = tuple[int, int, int]


def golden_vector(name: str) -> dict[str, Any]:
    """The first vector of a model, in which it charges."""
    vectors = tomllib.loads((GOLDEN / f"{name}.toml").read_text())["vector"]
    return dict(vectors[0])


def placed(vector: Mapping[str, Any]) -> dict[Place, int]:
    """(device, function, address) to word."""
    found: dict[Place, int] = {}
    for key, words in {**vector.get("once", {}), **vector["registers"]}.items():
        where, _, place = key.rpartition("/")
        device = STATION_DEVICE if where == "station" else int(where or 0)
        function, address = place.split(":")
        for offset, word in enumerate(words):
            found[device, int(function), int(address, 0) + offset] = word
    return found


def unit_device(
    unit: int,
    words: Mapping[tuple[int, int], int],
    reads: list[tuple[int, int]],
    refused: Container[int] = (),
) -> SimDevice:
    """A unit that answers these (function, address) words; address and length of each
    read go to `reads`, and reads that begin at a refused register are refused."""

    async def answer(
        function: int, start: int, address: int, count: int, current: list[int], wanted: object
    ) -> ExcCodes | None:
        reads.append((address, count))
        if address in refused:
            return ExcCodes.ILLEGAL_ADDRESS
        for place in range(address, address + count):
            current[place - start] = words.get((function, place), 0)
        return None

    data = SimData(0, values=[0] * 0xFFFF, datatype=DataType.REGISTERS)
    return SimDevice(unit, [data], action=answer)
