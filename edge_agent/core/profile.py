"""A device profile: what is known of a charger model, as data.

Reading profile files belongs to `profile_file.py`, using one on raw registers to `decoder.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edge_agent.core.registers import TEXT_KINDS, WordOrder, word_count

VALUE_FIELDS: Final = (
    "power_kw",
    "energy_kwh",
    "session_energy_kwh",
    "current_a",
    "voltage_v",
    "soc_pct",
    "temperature_c",
)
FACT_FIELDS: Final = ("maker", "model", "serial", "firmware")


@dataclass(frozen=True, slots=True)
class Point:
    """One named number or text in the register map.

    `register` is zero-based on the wire; of connector points it is the one of connector 0, to
    which the stride is added. `feeds` names the value or fact it fills, "" for helpers. Raw
    numbers are shifted right and masked first, then scaled; `absent` lists raw values that mean
    "not available". `once` points are read on connecting only.
    """

    name: str
    function: int
    register: int
    kind: str
    words: int
    word_order: WordOrder = "big"
    scale: float = 1.0
    shift: int = 0
    mask: int | None = None
    absent: frozenset[int] = frozenset()
    feeds: str = ""
    station: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class StateRule:
    """The word for a raw state; with `when`, `word` needs that point to be at least `at_least`."""

    word: str
    when: str = ""
    at_least: int = 0
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class StateMap:
    """Raw state number of `point` to a word of `PROFILE_WORDS`, and the fault a state implies."""

    point: str
    rules: Mapping[int, StateRule]
    implied_faults: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultMap:
    """Error number (or bits) of `point` to MREC codes; `out_of_order` overrides the status."""

    point: str
    bits: bool
    codes: Mapping[int, str]
    otherwise: str = "OtherError"
    out_of_order: bool = True


@dataclass(frozen=True, slots=True)
class ConnectorDefault:
    """A plug that the model has unless the operator's file says otherwise."""

    standard: str
    max_power_kw: float


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is known of a model: how to reach it, what its registers mean, where that is from.

    `transport` is `modbus-tcp` or `ocpp1.6`; the register part is empty for OCPP models, whose
    wishes are in `settings`.
    """

    profile_id: str
    maker: str
    model: str
    transport: str
    sources: tuple[str, ...]
    unverified: tuple[str, ...] = ()
    power_type: str = ""
    connectors: tuple[ConnectorDefault, ...] = ()
    port: int = 502
    device_id: int = 1
    max_registers: int = 125
    bridge_registers: int = 0
    forbidden: tuple[tuple[int, int], ...] = ()
    connector_stride: int = 0
    points: Mapping[str, Point] = field(default_factory=dict)
    state: StateMap | None = None
    station_state: StateMap | None = None
    fault_maps: tuple[FaultMap, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)


def point_words(kind: str, words: int) -> int:
    """Words of a point: told by the kind for numbers, by the file for texts."""
    return words if kind in TEXT_KINDS else word_count(kind)
