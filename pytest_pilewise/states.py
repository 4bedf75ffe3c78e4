"""What a test sees of a pile: one state, one register, and the words for them.

How they are read is in `simulated.py` and `device.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class PileState:
    """One EVSE of a pile at one instant; None where nothing tells.

    `status` is OCPP 1.6's word (`Available`, `Charging`, `Faulted`, ...), `iec` the IEC 61851
    letter A to F, `faults` are MREC names, `error` is OCPP 1.6's errorCode. `duty_pct` and
    `pilot_v` describe the control pilot, `contactor` is `open`, `closed` or `welded`, `phases` are
    (V, A) of L1 to L3, `inputs` what is not nominal outside. A `dark` pile answers nobody.
    """

    evse_id: str
    status: str
    iec: str = ""
    power_kw: float | None = None
    energy_kwh: float | None = None
    soc_pct: float | None = None
    plugged: bool | None = None
    bay_occupied: bool | None = None
    done: bool = False
    faults: tuple[str, ...] = ()
    error: str = ""
    duty_pct: float | None = None
    pilot_v: float | None = None
    contactor: str = ""
    locked: bool | None = None
    temperature_c: float | None = None
    cable_c: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    phases: tuple[tuple[float, float], ...] = ()
    residual_ma: float | None = None
    isolation_kohm: float | None = None
    inputs: Mapping[str, float] = field(default_factory=dict)
    emergency_pressed: bool | None = None
    dark: bool | None = None

    def steady(self) -> PileState:
        """The state without what moves all the time while a car charges."""
        return replace(
            self,
            energy_kwh=None,
            soc_pct=None,
            temperature_c=None,
            cable_c=None,
            power_kw=None if self.power_kw is None else round(self.power_kw, 1),
        )

    def line(self) -> str:
        """The state for people, in one line."""
        parts = [self.status, f"IEC {self.iec}" if self.iec else ""]
        parts.append("" if self.power_kw is None else f"{self.power_kw:.2f} kW")
        parts.append("" if self.soc_pct is None else f"{self.soc_pct:.1f} %")
        parts.append(f"faults {', '.join(self.faults)}" if self.faults else "no faults")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Register:
    """One field of the register map: its words, and what they mean in `unit`.

    `function` is the Modbus function code that reads it (1 to 4). `writer` is who wrote it last:
    `bench`, host:port of a master, `pile` itself, or empty where nobody did or nobody tells.
    `age_s` is how long ago that was, in seconds. `value` is a text or "" where there is no number.
    """

    address: int
    name: str
    words: tuple[int, ...]
    value: float | str
    unit: str = ""
    function: int = 3
    writer: str = ""
    age_s: float | None = None

    @property
    def raw(self) -> str:
        """The words in hexadecimal, e.g. `0x0000 0x08fc`."""
        return " ".join(f"0x{word:04x}" for word in self.words)

    def line(self) -> str:
        """The register for people, in one line."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        shown = f"{self.function}:0x{self.address:04x} {self.name:24} {self.raw:27} {value}"
        return f"{shown} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class KnownFault:
    """A fault that can be injected: its name, its CX code, its OCPP error, what it does."""

    name: str
    code: str = ""
    ocpp_error: str = ""
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Plug:
    """What plugs a pile has: `count` of one standard and power type (OCPI's words), kW each."""

    standard: str
    power_type: str
    max_power_kw: float
    count: int = 1
