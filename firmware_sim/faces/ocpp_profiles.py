"""Charging profiles as the messages of 1.6 and 2.0.1 carry them, read into those of the core."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from firmware_sim.core.charging_profile import STATION_MAX, Period, Profile

_PURPOSES: Final = {
    "ChargePointMaxProfile": STATION_MAX,
    "ChargingStationMaxProfile": STATION_MAX,
    "TxDefaultProfile": "TxDefaultProfile",
    "TxProfile": "TxProfile",
}


def instant_ms(text: str | None) -> int | None:
    """Milliseconds since 1970; an instant without a zone is taken as UTC, nonsense as None.

    >>> instant_ms("1970-01-01T00:00:02")
    2000
    """
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def profile_of(
    told: dict[str, Any], connector: int, now_ms: int, *, transaction: str = ""
) -> Profile | None:
    """The profile in a message; None for a purpose that no pile keeps to.

    `transaction` is the one that it belongs to where the message does not say.
    """
    purpose = _PURPOSES.get(str(told["charging_profile_purpose"]))
    schedule = told["charging_schedule"]
    if isinstance(schedule, list):
        schedule = schedule[0]
    if purpose is None:
        return None
    periods = tuple(
        Period(float(p["start_period"]), float(p["limit"]), p.get("number_phases"))
        for p in schedule["charging_schedule_period"]
    )
    named = told.get("transaction_id")
    return Profile(
        profile_id=int(told.get("charging_profile_id", told.get("id", 0))),
        connector=connector,
        purpose=purpose,
        stack_level=int(told["stack_level"]),
        kind=str(told["charging_profile_kind"]),
        unit=str(schedule["charging_rate_unit"]),
        periods=periods,
        set_ms=now_ms,
        start_ms=instant_ms(schedule.get("start_schedule")),
        duration_s=schedule.get("duration"),
        recurrency=str(told.get("recurrency_kind", "")),
        valid_from_ms=instant_ms(told.get("valid_from")),
        valid_to_ms=instant_ms(told.get("valid_to")),
        transaction=transaction if named is None else str(named),
    )
