"""What navigation services call a connector: Google's Places API and TomTom's EV search.

Both show stations as numbers of plugs by kind and power; `aggregate.py` makes these.
"""

from __future__ import annotations

from coordinator.importers.words import CONNECTORS

_GOOGLE = {
    "CHADEMO": "CHADEMO",
    "GBT_AC": "UNSPECIFIED_GB_T",
    "GBT_DC": "UNSPECIFIED_GB_T",
    "IEC_62196_T1": "J1772",
    "IEC_62196_T1_COMBO": "CCS_COMBO_1",
    "IEC_62196_T2": "TYPE_2",
    "IEC_62196_T2_COMBO": "CCS_COMBO_2",
    "TESLA_R": "TESLA",
    "TESLA_S": "TESLA",
    "SAE_J3400": "NACS",
}
_TOMTOM = {
    "CHADEMO": "Chademo",
    "GBT_AC": "GBT20234Part2",
    "GBT_DC": "GBT20234Part3",
    "IEC_60309_2_single_16": "IEC60309AC1PhaseBlue",
    "IEC_60309_2_three_16": "IEC60309AC3PhaseRed",
    "IEC_60309_2_three_32": "IEC60309AC3PhaseRed",
    "IEC_60309_2_three_64": "IEC60309AC3PhaseRed",
    "IEC_62196_T1": "IEC62196Type1",
    "IEC_62196_T1_COMBO": "IEC62196Type1CCS",
    "IEC_62196_T2": "IEC62196Type2Outlet",
    "IEC_62196_T2_COMBO": "IEC62196Type2CCS",
    "IEC_62196_T3A": "IEC62196Type3",
    "IEC_62196_T3C": "IEC62196Type3",
    "TESLA_R": "Tesla",
    "TESLA_S": "Tesla",
    "SAE_J3400": "Tesla",
}
_WALL = ("DOMESTIC_", "NEMA_")


def google_type(connector: str) -> str:
    """Google's `EVConnectorType`, without its prefix, of OCPI's connector.

    >>> google_type("IEC_62196_T2_COMBO"), google_type("DOMESTIC_F"), google_type("MCS")
    ('CCS_COMBO_2', 'UNSPECIFIED_WALL_OUTLET', 'OTHER')
    """
    if connector.startswith(_WALL):
        return "UNSPECIFIED_WALL_OUTLET"
    return _GOOGLE.get(connector, "OTHER")


def tomtom_type(connector: str) -> str:
    """TomTom's connector type of OCPI's; empty where TomTom has none.

    >>> tomtom_type("GBT_DC"), tomtom_type("NEMA_14_50"), tomtom_type("CHAOJI")
    ('GBT20234Part3', 'StandardHouseholdCountrySpecific', '')
    """
    if connector.startswith(_WALL):
        return "StandardHouseholdCountrySpecific"
    return _TOMTOM.get(connector, "")


GOOGLE: dict[str, str] = {name: google_type(name) for name in CONNECTORS}
TOMTOM: dict[str, str] = {name: tomtom_type(name) for name in CONNECTORS}
