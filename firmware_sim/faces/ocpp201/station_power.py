"""Answers about power: charging profiles and the schedule they make together (2.0.1)."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action

from firmware_sim.clock import utc_text
from firmware_sim.core.charging_profile import STATION_MAX, TX, Profile
from firmware_sim.core.evse import Evse
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows
from firmware_sim.faces.ocpp_profiles import profile_of

_STATION_MAX_201 = "ChargingStationMaxProfile"


class PowerAnswers:
    """SetChargingProfile, ClearChargingProfile, GetChargingProfiles, GetCompositeSchedule."""

    _desk: Desk

    @answers(Action.set_charging_profile)
    def on_set_charging_profile(
        self, evse_id: int, charging_profile: dict[str, Any], **_: Any
    ) -> Any:
        """Takes a profile and keeps to it from now on."""
        profile = profile_of(charging_profile, evse_id, self._desk.now_ms())
        taken = profile is not None and self._desk.shelf.put(profile)
        return call_result.SetChargingProfile(word("Accepted" if taken else "Rejected"))

    @answers(Action.clear_charging_profile)
    def on_clear_charging_profile(
        self,
        charging_profile_id: int | None = None,
        charging_profile_criteria: dict[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        """Takes away the profile of that id, or those that fit the criteria."""
        wanted = charging_profile_criteria or {}
        gone = self._desk.shelf.clear(
            lambda p: (
                p.profile_id == charging_profile_id
                if charging_profile_id is not None
                else _fits(p, wanted, wanted.get("evse_id"))
            )
        )
        return call_result.ClearChargingProfile(word("Accepted" if gone else "Unknown"))

    @answers(Action.get_charging_profiles)
    def on_get_charging_profiles(
        self, charging_profile: dict[str, Any], evse_id: int | None = None, **_: Any
    ) -> Any:
        """Promises to tell the profiles that fit."""
        known = self._wanted(charging_profile, evse_id)
        return call_result.GetChargingProfiles(word("Accepted" if known else "NoProfiles"))

    @follows(Action.get_charging_profiles)
    def after_get_charging_profiles(
        self,
        request_id: int,
        charging_profile: dict[str, Any],
        evse_id: int | None = None,
        **_: Any,
    ) -> None:
        """Tells them, EVSE by EVSE."""
        known = self._wanted(charging_profile, evse_id)
        numbers = sorted({profile.connector for profile in known})
        for number in numbers:
            told: Any = [_told(p) for p in known if p.connector == number]
            more = number != numbers[-1]
            source = word("CSO")
            self._desk.promise(
                call.ReportChargingProfiles(request_id, source, told, number, tbc=more)
            )

    @answers(Action.get_composite_schedule)
    def on_get_composite_schedule(
        self, duration: int, evse_id: int, charging_rate_unit: str | None = None, **_: Any
    ) -> Any:
        """What all profiles together allow from now on."""
        if evse_id != 0 and self._desk.evse(evse_id) is None:
            return call_result.GetCompositeSchedule(word("Rejected"))
        unit = charging_rate_unit or "W"
        steps = self._desk.shelf.schedule(evse_id, duration, unit)
        schedule: Any = {
            "evse_id": evse_id,
            "duration": duration,
            "schedule_start": self._desk.stamp(),
            "charging_rate_unit": unit,
            "charging_schedule_period": [
                {"start_period": start_s, "limit": limit} for start_s, limit in steps
            ],
        }
        return call_result.GetCompositeSchedule(word("Accepted"), schedule=schedule)

    def profile_for_start(self, evse: Evse, told: dict[str, Any]) -> bool:
        """Takes the profile of a remote start; it counts once its transaction runs."""
        number = int(evse.spec.evse_id.rpartition("*")[2])
        profile = profile_of(told, number, self._desk.now_ms())
        return profile is not None and profile.purpose == TX and self._desk.shelf.put_ahead(profile)

    def _wanted(self, criteria: dict[str, Any], evse_id: int | None) -> list[Profile]:
        ids = criteria.get("charging_profile_id")
        return [
            p
            for p in self._desk.shelf.profiles
            if _fits(p, criteria, evse_id) and (not ids or p.profile_id in ids)
        ]


def _fits(profile: Profile, wanted: dict[str, Any], evse_id: int | None) -> bool:
    purpose = wanted.get("charging_profile_purpose")
    return (
        evse_id in (None, profile.connector)
        and purpose in (None, _purpose(profile))
        and wanted.get("stack_level") in (None, profile.stack_level)
    )


def _purpose(profile: Profile) -> str:
    return _STATION_MAX_201 if profile.purpose == STATION_MAX else profile.purpose


def _told(profile: Profile) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "id": 1,
        "charging_rate_unit": profile.unit,
        "charging_schedule_period": [
            {"start_period": int(p.start_s), "limit": p.limit} for p in profile.periods
        ],
    }
    if profile.start_ms is not None:
        schedule["start_schedule"] = utc_text(profile.start_ms)
    if profile.duration_s is not None:
        schedule["duration"] = int(profile.duration_s)
    told: dict[str, Any] = {
        "id": profile.profile_id,
        "stack_level": profile.stack_level,
        "charging_profile_purpose": _purpose(profile),
        "charging_profile_kind": profile.kind,
        "charging_schedule": [schedule],
    }
    if profile.transaction:
        told["transaction_id"] = profile.transaction
    if profile.recurrency:
        told["recurrency_kind"] = profile.recurrency
    return told
