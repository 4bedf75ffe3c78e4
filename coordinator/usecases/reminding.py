"""A reminder as a car is told it, and when it is told again while the car drives.

By which km a car must charge is computed in `core/recommend/reminder.py`.
"""

from __future__ import annotations

from coordinator.core.district import District
from coordinator.core.recommend import explain
from coordinator.core.recommend.candidates import USABLE
from coordinator.core.recommend.reminder import (
    NO_STATION,
    NOWHERE,
    SHORT,
    Reminder,
    due_again,
)
from coordinator.usecases.answer import Reminded

FEW_IN_REACH = "FEW_PILES_IN_REACH"


def told(district: District, reminder: Reminder, language: str) -> Reminded:
    """The reminder with its station by name, and its sentence."""
    station_id = name = ""
    if reminder.station != NO_STATION:
        station = district.stations[reminder.station]
        station_id, name = station.station_id, station.name or station.station_id
    km, why = f"{reminder.before_km:.0f}", ""
    # Where no station is within reach, "few piles in reach" would say the same again.
    if reminder.code not in {SHORT, NOWHERE} or reminder.why != FEW_IN_REACH:
        reason = explain.sentence(f"WHY_{reminder.why}", language, {})
        why = explain.sentence("AND_WHY", language, {"why": reason})
    code = f"{reminder.code}_NOW" if km == "0" else reminder.code
    text = explain.sentence(code, language, {"km": km, "name": name, "why": why})
    return Reminded(reminder.before_km, station_id, reminder.code, reminder.why, text)


def again(district: District, before: Reminded | None, now: Reminder | None) -> bool:
    """Whether a car that was told one reminder must be told the one of now.

    When the margin has halved, when it is worse in kind, and when the station that was named is of
    no use any more.
    """
    if now is None or before is None:
        return now is not None
    if due_again(before.before_km, now.before_km) or before.code != now.code:
        return True
    row = district.station_row.get(before.station_id)
    if row is None:
        return bool(before.station_id)
    start, size = int(district.station_start[row]), int(district.station_size[row])
    return not USABLE[district.status[start : start + size]].any()
