"""A device profile: what is known of a pile model, as data.

Reading profile files belongs to `profile_file.py`, using one on raw registers to `decoder.py`.
How a device is spoken to (lines, keep-alives, writes) is told by `profile_access.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edge_agent.core.profile_access import (
    DEFAULT_LINE,
    ONE_CONNECTOR,
    ConnectorStep,
    KeepAlive,
    SerialLine,
    WriteSpan,
)
from edge_agent.core.registers import STATION_DEVICE, TEXT_KINDS, ByteOrder, WordOrder, word_count

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
MODBUS_TRANSPORTS: Final = ("modbus-tcp", "modbus-rtu", "modbus-rtu-over-tcp")
OCPP_TRANSPORTS: Final = ("ocpp1.6", "ocpp2.0.1")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a once-read point has to say: match a pattern from its start, or be a version.

    `below` and `at_least` compare dotted versions number by number; all that are set must hold.
    """

    point: str
    matches: str = ""
    below: str = ""
    at_least: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """How a point differs on devices where all conditions hold; None keeps the usual."""

    conditions: tuple[Condition, ...]
    scale: float | None = None
    kind: str | None = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """One named number or text in the register map.

    `register` is zero-based on the wire; of connector points it is the one of connector 0, to
    which the stride is added. `feeds` names the value or fact it fills, "" for helpers. Raw
    numbers are shifted right and masked first, then scaled; `absent` lists raw values that mean
    "not available", as NaN does with `nan_absent`. Of a text only what `pattern` matches at its
    start is kept. `once` points are read on connecting only, `spare` points by hand only. A value
    outside `lowest` to `highest` cannot be true. The first of `variants` whose conditions hold
    changes the point. A point with `every_s` is read that often only, unless it comes along with
    others anyway.
    """

    name: str
    function: int
    register: int
    kind: str
    words: int
    word_order: WordOrder = "big"
    byte_order: ByteOrder = "big"
    scale: float = 1.0
    shift: int = 0
    mask: int | None = None
    absent: frozenset[int] = frozenset()
    nan_absent: bool = False
    pattern: str = ""
    feeds: str = ""
    unit: str = ""
    station: bool = False
    once: bool = False
    spare: bool = False
    every_s: float = 0.0
    lowest: float | None = None
    highest: float | None = None
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True)
class StateRule:
    """The word for a raw state; with `when`, `word` needs that point to be at least `at_least`."""

    word: str
    when: str = ""
    at_least: int = 0
    otherwise: str = ""


@dataclass(frozen=True, slots=True)
class StateMap:
    """Raw state of `point` to a word of `PROFILE_WORDS`, and the fault a state implies.

    Keys are numbers, or texts where the point is a text.
    """

    point: str
    rules: Mapping[int | str, StateRule]
    implied_faults: Mapping[int | str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultMap:
    """Error number (or bits) of `point` to MREC codes; `out_of_order` overrides the status.

    Bits are counted from `first_bit` up. `ignored` numbers are no faults; `warnings` are faults
    that the pile works on with.
    """

    point: str
    bits: bool
    codes: Mapping[int, str]
    otherwise: str = "OtherError"
    out_of_order: bool = True
    first_bit: int = 0
    ignored: frozenset[int] = frozenset()
    warnings: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ConnectorDefault:
    """A plug that the model has unless the operator's file says otherwise."""

    standard: str
    max_power_kw: float


@dataclass(frozen=True, slots=True)
class Probe:
    """How to tell the model: once-read points and the patterns they match, points to weigh.

    `frequency` names a point in Hz; voltages are those that feed `voltage_v`.
    """

    identity: Mapping[str, str] = field(default_factory=dict)
    frequency: str = ""
    voltage_v: tuple[float, float] = (207.0, 253.0)


NO_PROBE: Final = Probe()


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is known of a model: how to reach it, what its registers mean, where that is from.

    The first of `transports` is the usual one; the register part is empty for OCPP models, whose
    wishes are in `settings`. `gap_s` is the silence between requests; with `warm_up` the first
    access wakes the device and every read is done twice; `single_client` devices serve one
    connection. `period_s` is a good reading period, `longest_period_s` the one after which the
    device believes itself alone; 0 where nothing is known. `failsafe` names points.
    """

    profile_id: str
    maker: str
    model: str
    transports: tuple[str, ...]
    sources: tuple[str, ...]
    verified_on: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    power_type: str = ""
    connectors: tuple[ConnectorDefault, ...] = ()
    port: int = 502
    device_id: int = 1
    station_device_id: int | None = None
    serial: SerialLine = DEFAULT_LINE
    step: ConnectorStep = ONE_CONNECTOR
    gap_s: float = 0.0
    warm_up: bool = False
    single_client: bool = False
    max_registers: int = 125
    bridge_registers: int = 0
    forbidden: tuple[tuple[int, int], ...] = ()
    period_s: float = 0.0
    longest_period_s: float = 0.0
    points: Mapping[str, Point] = field(default_factory=dict)
    state: StateMap | None = None
    station_state: StateMap | None = None
    fault_maps: tuple[FaultMap, ...] = ()
    keep_alives: tuple[KeepAlive, ...] = ()
    writes: tuple[WriteSpan, ...] = ()
    failsafe: Mapping[str, str] = field(default_factory=dict)
    probe: Probe = NO_PROBE
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def transport(self) -> str:
        """The usual transport."""
        return self.transports[0]

    @property
    def is_modbus(self) -> bool:
        """True where there is a register map."""
        return self.transport in MODBUS_TRANSPORTS

    def device_of(self, connector: int) -> int:
        """Which device of the pile (as in `Span.device`) serves a connector, counted from 1."""
        return connector - 1 if self.step.many_devices else 0

    def address_of(self, register: int, connector: int) -> int:
        """Where a register of connector 0 stands for a connector, counted from 1."""
        return register + self.step.registers * connector

    def reach(self, device: int, port: int, device_id: int) -> tuple[int, int]:
        """Port and unit id of a `Span.device`, from those of the first connector."""
        if device == STATION_DEVICE:
            return port, device_id if self.station_device_id is None else self.station_device_id
        return port + self.step.ports * device, device_id + self.step.device_ids * device


def point_words(kind: str, words: int) -> int:
    """Words of a point: told by the kind for numbers, by the file for texts."""
    return words or 1 if kind in TEXT_KINDS else word_count(kind)
