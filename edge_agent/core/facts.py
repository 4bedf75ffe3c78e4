"""Who a pile is: what the operator wrote, what the pile told, and which of both holds."""

from __future__ import annotations

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

    `sources` names for each known field who said so.
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
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def evse_ids(self) -> tuple[str, ...]:
        """`<pile_id>*<n>` for each EVSE, n from 1."""
        return tuple(f"{self.pile_id}*{n}" for n in range(1, len(self.connectors) + 1))


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
