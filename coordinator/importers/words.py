"""OCPI's words and our numbers for them: connector standards, power types, ways to pay."""

from __future__ import annotations

import re

from coordinator.core.geo import wgs84_from_gcj02
from coordinator.core.pile import Payment, PowerType

# OCPI 2.2.1 ConnectorType in the order of the wire numbers, then the two of 2.3.0.
CONNECTORS: tuple[str, ...] = (
    "CHADEMO",
    "CHAOJI",
    *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKLMNO"),
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
_NUMBER = {name.upper(): number for number, name in enumerate(CONNECTORS, start=1)}
_DIRECT = frozenset(
    number
    for name, number in _NUMBER.items()
    if name in {"CHADEMO", "CHAOJI", "GBT_DC", "MCS"} or "COMBO" in name or "PANTOGRAPH" in name
)
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._:*-]+")

PAYMENTS: dict[str, Payment] = {payment.name: payment for payment in Payment}
# OCPI capabilities that say how a driver can pay.
CAPABILITIES: dict[str, Payment] = {
    "RFID_READER": Payment.RFID,
    "CREDIT_CARD_PAYABLE": Payment.BANK_CARD,
    "DEBIT_CARD_PAYABLE": Payment.BANK_CARD,
    "CONTACTLESS_CARD_SUPPORT": Payment.BANK_CARD,
    "CHIP_CARD_SUPPORT": Payment.BANK_CARD,
    "PED_TERMINAL": Payment.BANK_CARD,
    "REMOTE_START_STOP_CAPABLE": Payment.APP,
}


def connector_number(name: str) -> int:
    """The wire number of an OCPI connector standard; raises ValueError for an unknown one."""
    number = _NUMBER.get(name.strip().upper())
    if number is None:
        raise ValueError(f"{name!r} is no OCPI connector standard")
    return number


def connector_name(number: int) -> str:
    """OCPI's name of a wire number; empty if it has none."""
    return CONNECTORS[number - 1] if 1 <= number <= len(CONNECTORS) else ""


def power_type(name: str, standard: int) -> PowerType:
    """The power type by OCPI's name; without a name, what the connector standard implies."""
    if name:
        try:
            return PowerType[name.strip().upper()]
        except KeyError:
            raise ValueError(f"{name!r} is no OCPI power type") from None
    return PowerType.DC if standard in _DIRECT else PowerType.AC_3_PHASE


def valid_id(text: str) -> str:
    """The text as an identifier of ours: other characters become one hyphen, at most 64 stay."""
    return _FORBIDDEN.sub("-", text.strip()).strip("-")[:64]


def on_wgs84(place: tuple[float, float], datum: str) -> tuple[float, float]:
    """A place in WGS84; raises ValueError for a datum that cannot be converted.

    >>> on_wgs84((22.5, 114.0), "WGS84")
    (22.5, 114.0)
    """
    word = datum.upper().replace("-", "")
    if word == "GCJ02":
        return wgs84_from_gcj02(*place)
    if word not in ("", "WGS84"):
        raise ValueError(f"datum is {datum!r}, not WGS84 or GCJ02: convert the position first")
    return place
