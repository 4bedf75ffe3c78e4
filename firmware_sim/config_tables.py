"""The keys of a simulator's TOML file, table by table, with their types and defaults.

What must hold between keys is checked in `config.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from firmware_sim.core.ageing import Ageing
from firmware_sim.core.pile import PileSpec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class SimTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[sim]`: where BenchService listens, the seed, the physics' step in real seconds."""

    bench: str = "127.0.0.1:0"
    seed: int = 0
    tick_s: Positive = 0.2
    mode: Literal["live", "stepped"] = "live"


class ClockTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[clock]`: domain time = epoch + (monotonic - anchor) x speed."""

    epoch_at_ms: int
    anchor_s: float
    speed: Positive = 1.0


class MqttTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[mqtt]`: the broker that bay sensors publish to; seconds are real."""

    url: str
    prefix: str = "pilewise"
    republish_s: Positive = 5.0
    client_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""


class OcppTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[ocpp]`: what all simulated charge points have in common; seconds are real."""

    sample_s: Positive = 10.0
    heartbeat_s: NotNegative = 0.0
    call_timeout_s: Positive = 30.0
    reconnect_base_s: Positive = 1.0
    reconnect_cap_s: Positive = 30.0
    free_token: Annotated[str, msgspec.Meta(min_length=1, max_length=20)] = "FREE"


class OcppPileTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[pile.ocpp]`: how one charge point is set up.

    `settings` are OCPP's own, by key (1.6) or by `Component.Variable` (2.0.1); those that are
    `fixed` it refuses to change. `secure_url` is
    where it dials with security profile 2 and 3. `job_step_s` is the pace of updates and uploads.
    """

    settings: dict[str, str] = {}
    fixed: list[str] = []
    secure_url: str = ""
    security_profile: Literal[0, 1, 2, 3] | None = None
    signed_meter: bool = False
    job_step_s: Positive = 1.0


class AgeingTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[pile.ageing]`: when the pile breaks by itself, in hours of domain time.

    What is left away is as usual for the model and its maker.
    """

    scale_h: Positive | None = None
    shape: Positive | None = None
    age_h: NotNegative | None = None
    repair_median_h: Positive | None = None
    repair_sigma: NotNegative | None = None


Model = Literal[
    "abb-terra-ac",
    "alfen-ng9xx",
    "alpitronic-hypercharger",
    "bender-cc613",
    "compleo",
    "delta-ac-max",
    "evse-din",
    "heidelberg-energy-control",
    "keba-p30",
    "keba-p40",
    "mennekes-amtron-compact-20s",
    "mennekes-amtron-hcc3",
    "phoenix-charx-sec",
    "phoenix-em-cp-pp-eth",
    "phoenix-ev-cc",
    "phoenix-ev-cc-eth",
    "schneider-evlink-pro-ac",
    "siemens-versicharge-gen3",
    "webasto-next",
    "webasto-unite",
    "weidmueller-ac-smart",
    "generic",
]
Register = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
RegisterRanges = list[tuple[Register, Register]]


class RegistersTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[pile.registers]`: what this Modbus device does otherwise than its model.

    Ranges are `[first, last]`: `gaps` answer exception 2 to reads, `closing` close the connection,
    `locked` answer exception 4 to writes, `once` can be written once. `halves` says what becomes
    of a 32-bit value written as two single registers. `boot_s` is domain time.
    """

    most_read: Annotated[int, msgspec.Meta(ge=1, le=125)] | None = None
    clients: Literal["many", "newest", "oldest"] | None = None
    halves: Literal["refused", "latched", "torn"] | None = None
    gaps: RegisterRanges = []
    closing: RegisterRanges = []
    locked: RegisterRanges = []
    once: RegisterRanges = []
    boot_s: NotNegative = 0.0
    boot: Literal["silent", "busy", "closed", "shown"] = "silent"


class PileTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[pile]]`: one simulated pile.

    Modbus piles with the same `bus` share a port, those with the same `serial_line` a line; each
    then needs a `unit_id` of its own. `wire_fault` is present from the start.
    """

    pile_id: str
    face: Literal["modbus", "ocpp16", "ocpp201"]
    model: Model = "generic"
    transport: Literal["tcp", "rtu", "rtu-over-tcp"] = "tcp"
    listen: str = "127.0.0.1:0"
    bus: str = ""
    unit_id: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    serial_line: str = ""
    baud: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] = 19200
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    wire_fault: str = ""
    url: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    quirks: list[str] = []
    registers: RegistersTable = RegistersTable()
    firmware: Annotated[str, msgspec.Meta(pattern=r"^(\d{1,3}\.\d{1,3}\.\d{1,3})?$")] = ""
    ocpp: dict[str, Any] | None = None
    max_power_kw: Positive = 11.0
    connectors: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    supply: Literal["auto", "ac1", "ac3", "dc"] = "auto"
    bay_sensor: bool = False
    camera: bool = False
    ageing: dict[str, Any] | None = None


class PileConfig(msgspec.Struct, frozen=True):
    """One pile, checked: what it is, how it is shown, how it ages."""

    spec: PileSpec
    table: PileTable
    ageing: Ageing | None
    password: str | None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    ocpp: OcppPileTable = OcppPileTable()


class SimConfig(msgspec.Struct, frozen=True):
    """A whole configuration, checked."""

    sim: SimTable
    clock: ClockTable | None
    mqtt: MqttTable | None
    ocpp: OcppTable
    piles: tuple[PileConfig, ...]
