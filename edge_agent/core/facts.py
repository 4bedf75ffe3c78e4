"""Who a pile is: what the operator wrote, what the pile told, and which of both holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

_DOMESTIC: Final = tuple(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO")
# OCPI 2.2.1 ConnectorType, word for word, and the two names that 2.3.0 adds.
CONNECTOR_STANDARDS: Final = (
    "CHADEMO",
    "CHAOJI",
    *_DOMESTIC,
    "GBT_AC",
    "GBT_DC",
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    "NEMA_5_20",
    "NEMA_6_30",
    "NEMA_6_50",
    "NEMA_10_30",
    "NEMA_10_50",
    "NEMA_14_30",
    "NEMA_14_50",
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
    "TESLA_R",
    "TESLA_S",
    "MCS",
    "SAE_J3400",
)
POWER_TYPES: Final = ("AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC")
_DC: Final = frozenset(
    {
        "CHADEMO",
        "CHAOJI",
        "GBT_DC",
        "IEC_62196_T1_COMBO",
        "IEC_62196_T2_COMBO",
        "MCS",
        "PANTOGRAPH_BOTTOM_UP",
        "PANTOGRAPH_TOP_DOWN",
    }
)
# One phase at 32 A and 230 V ends here.
ONE_PHASE_MAX_KW: Final = 7.4

CONFIG: Final = "config"
BOOT: Final = "boot_notification"
REGISTERS: Final = "registers"
PROFILE: Final = "profile"
GNSS: Final = "gnss"
DEFAULT: Final = "default"

# A fix this far from where the operator put the pile is worth a look.
ASTRAY_M: Final = 200.0
# Fixes wander by some metres: a pile has moved, or was found, only beyond this.
SETTLED_M: Final = 25.0
_EARTH_RADIUS_M: Final = 6_371_008.8


def power_type_of(standard: str, max_power_kw: float) -> str:
    """The OCPI PowerType that a plug most likely carries.

    >>> power_type_of("GBT_DC", 120), power_type_of("IEC_62196_T2", 11)
    ('DC', 'AC_3_PHASE')
    """
    if standard in _DC:
        return "DC"
    return "AC_1_PHASE" if max_power_kw <= ONE_PHASE_MAX_KW else "AC_3_PHASE"


@dataclass(frozen=True, slots=True)
class ConnectorFacts:
    """One plug: OCPI ConnectorType and PowerType, greatest power."""

    standard: str
    power_type: str
    max_power_kw: float


@dataclass(frozen=True, slots=True)
class PileFacts:
    """One pile; empty strings and None are unknown. EVSE n serves connector n of `connectors`.

    `bay_count` is the parking spaces of the whole pile, None unknown. `address` is where pile and
    agent meet: a URL to type into the pile, or where the agent asks it. `sources` names for each
    known field who said so.
    """

    pile_id: str
    label: str
    connectors: tuple[ConnectorFacts, ...]
    maker: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    commissioned_at_ms: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    station_id: str = ""
    bay_count: int | None = None
    address: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def evse_ids(self) -> tuple[str, ...]:
        """`<pile_id>*<n>` for each EVSE, n from 1."""
        return tuple(f"{self.pile_id}*{n}" for n in range(1, len(self.connectors) + 1))

    @property
    def pile_type(self) -> str:
        """`AC`, `DC` or `AC_AND_DC`, as the plugs say; empty without plugs."""
        kinds = {"DC" if plug.power_type == "DC" else "AC" for plug in self.connectors}
        return "_AND_".join(sorted(kinds))

    def bays_of(self, number: int) -> int:
        """Parking spaces of EVSE `number` (from 1); one each where nobody counted them."""
        if self.bay_count is None:
            return 1
        each, more = divmod(self.bay_count, len(self.connectors))
        return each + (number <= more)


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance of two positions (latitude, longitude in degrees), metres.

    >>> round(distance_m((22.54, 114.05), (22.54, 114.06)))
    1027
    """
    (lat_a, lon_a), (lat_b, lon_b) = ((math.radians(p[0]), math.radians(p[1])) for p in (a, b))
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def located(facts: PileFacts, latitude_deg: float, longitude_deg: float) -> tuple[PileFacts, float]:
    """The facts after a position fix, and the metres between it and the position known before.

    The operator's position stays, whatever a receiver says. Gives back `facts` itself where
    nothing changed; 0 m where no position was known.
    """
    fix = latitude_deg, longitude_deg
    moved = replace(
        facts,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        sources={**facts.sources, "position": GNSS},
    )
    if facts.latitude_deg is None or facts.longitude_deg is None:
        return moved, 0.0
    away_m = distance_m((facts.latitude_deg, facts.longitude_deg), fix)
    if facts.sources.get("position") == CONFIG or away_m <= SETTLED_M:
        return facts, away_m
    return moved, away_m


def is_fix(latitude_deg: float, longitude_deg: float) -> bool:
    """Whether this is a place on Earth; receivers without a fix say 0, 0.

    >>> is_fix(22.5, 114.0), is_fix(0.0, 0.0), is_fix(float("nan"), 1.0), is_fix(91.0, 1.0)
    (True, False, False, False)
    """
    on_earth = abs(latitude_deg) <= 90.0 and abs(longitude_deg) <= 180.0
    return on_earth and (latitude_deg, longitude_deg) != (0.0, 0.0)


def learned(facts: PileFacts, told: Mapping[str, str], source: str) -> PileFacts:
    """The facts after a pile told some: the operator's word wins, empty words teach nothing.

    Gives back `facts` itself where nothing changed.
    """
    fresh = {
        name: value
        for name, value in told.items()
        if value and facts.sources.get(name) != CONFIG and getattr(facts, name) != value
    }
    if not fresh:
        return facts
    sources = {**facts.sources, **dict.fromkeys(fresh, source)}
    return replace(
        facts,
        maker=fresh.get("maker", facts.maker),
        model=fresh.get("model", facts.model),
        serial=fresh.get("serial", facts.serial),
        firmware=fresh.get("firmware", facts.firmware),
        sources=sources,
    )
