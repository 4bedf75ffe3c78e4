"""The control pilot and the proximity contact as the standard has them: duty, volts, ohms.

Which of them an EVSE shows is in `evse.py`. Source: IEC 61851-1, annexes A and B.
"""

from __future__ import annotations

from typing import Final

# 5 % says that current is agreed on digitally (ISO 15118), which is how direct current goes.
DIGITAL_DUTY_PCT: Final = 5.0
_SOURCE_V, _DIODE_V, _SOURCE_OHM = 12.0, 0.7, 1000.0
# What the car puts between pilot and earth: nothing, 2.74 kOhm, with S2 closed 882 or 246 Ohm.
OPEN_OHM: Final = 1e9
CAR_OHM: Final = {"A": OPEN_OHM, "B": 2740.0, "C": 882.0, "D": 246.0}
_VOLTS: Final = (("A", 11.0, 13.0), ("B", 8.0, 10.0), ("C", 5.0, 7.0), ("D", 2.0, 4.0))
# Resistor between proximity contact and earth, and the current that a cable with it carries.
_CABLES: Final = ((1500.0, 13.0), (680.0, 20.0), (220.0, 32.0), (100.0, 63.0))
_CABLE_TOLERANCE: Final = 0.2
_NO_PLUG_OHM: Final = 4500.0


def duty_of(current_a: float) -> float:
    """Duty in percent that offers `current_a` per phase; 100 (no modulation) below 6 A.

    >>> duty_of(16.0), duty_of(32.0), duty_of(63.0), duty_of(5.9)
    (26.666666666666668, 53.333333333333336, 89.2, 100.0)
    """
    if current_a < 6.0 - 1e-9:
        return 100.0
    if current_a <= 52.5:
        # 85 % is 51 A on the one line and 52.5 A on the other: cars read the lower.
        return min(current_a / 0.6, 85.0)
    return min(current_a / 2.5 + 64.0, 96.0)


def current_of(duty_pct: float) -> float:
    """Current in A that a duty offers; 0 where it offers none or says to ask digitally.

    >>> current_of(50.0), current_of(85.0), current_of(90.0), current_of(5.0), current_of(97.0)
    (30.0, 51.0, 65.0, 0.0, 80.0)
    """
    if duty_pct < 8.0 or duty_pct > 97.0:
        return 0.0
    if duty_pct < 10.0:
        return 6.0
    if duty_pct <= 85.0:
        return duty_pct * 0.6
    return min((duty_pct - 64.0) * 2.5, 80.0)


def volts_of(pilot_ohm: float) -> float:
    """Upper voltage of the pilot over a resistance behind the car's diode, V.

    >>> [round(volts_of(ohm), 1) for ohm in (1e9, 2740.0, 882.0, 246.0, 0.0)]
    [12.0, 9.0, 6.0, 2.9, 0.0]
    """
    if pilot_ohm <= 0:
        return 0.0
    return _DIODE_V + (_SOURCE_V - _DIODE_V) * pilot_ohm / (pilot_ohm + _SOURCE_OHM)


def letter_of(volts: float) -> str:
    """The letter that a voltage stands for; E where it stands for none.

    >>> [letter_of(volts) for volts in (12.0, 9.0, 6.0, 3.0, 0.0, 10.5)]
    ['A', 'B', 'C', 'D', 'E', 'E']
    """
    return next((letter for letter, low, high in _VOLTS if low <= volts <= high), "E")


def cable_of(proximity_ohm: float) -> float | None:
    """What the cable carries, A: 0 without a plug, None where the resistor is none of the four.

    >>> cable_of(1500.0), cable_of(680.0), cable_of(220.0), cable_of(100.0)
    (13.0, 20.0, 32.0, 63.0)
    >>> cable_of(1e6), cable_of(400.0), cable_of(0.0)
    (0.0, None, None)
    """
    if proximity_ohm >= _NO_PLUG_OHM:
        return 0.0
    for ohm, current_a in _CABLES:
        if abs(proximity_ohm - ohm) <= _CABLE_TOLERANCE * ohm:
            return current_a
    return None
