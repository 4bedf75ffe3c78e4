"""Answers about power: charging profiles and the schedule they make together (1.6)."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result
from ocpp.v16.enums import (
    Action,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
)

from firmware_sim.core.charging_profile import TX
from firmware_sim.core.evse import Evse
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.routing import answers
from firmware_sim.faces.ocpp_profiles import profile_of


class PowerAnswers:
    """SetChargingProfile, ClearChargingProfile, GetCompositeSchedule."""

    _desk: Desk

    @answers(Action.set_charging_profile)
    def on_set_charging_profile(
        self, connector_id: int, cs_charging_profiles: dict[str, Any], **_: Any
    ) -> call_result.SetChargingProfile:
        """Takes a profile and keeps to it from now on."""
        profile = profile_of(cs_charging_profiles, connector_id, self._desk.now_ms())
        taken = profile is not None and self._desk.shelf.put(profile)
        status = ChargingProfileStatus.accepted if taken else ChargingProfileStatus.rejected
        return call_result.SetChargingProfile(status)

    @answers(Action.clear_charging_profile)
    def on_clear_charging_profile(
        self,
        id: int | None = None,  # noqa: A002 - OCPP's word
        connector_id: int | None = None,
        charging_profile_purpose: str | None = None,
        stack_level: int | None = None,
        **_: Any,
    ) -> call_result.ClearChargingProfile:
        """Takes away the profile of that id, or those that fit the rest."""
        gone = self._desk.shelf.clear(
            lambda p: (
                p.profile_id == id
                if id is not None
                else connector_id in (None, p.connector)
                and charging_profile_purpose in (None, p.purpose)
                and stack_level in (None, p.stack_level)
            )
        )
        known, unknown = ClearChargingProfileStatus.accepted, ClearChargingProfileStatus.unknown
        return call_result.ClearChargingProfile(known if gone else unknown)

    @answers(Action.get_composite_schedule)
    def on_get_composite_schedule(
        self, connector_id: int, duration: int, charging_rate_unit: str | None = None, **_: Any
    ) -> call_result.GetCompositeSchedule:
        """What all profiles together allow from now on."""
        if connector_id != 0 and self._desk.evse(connector_id) is None:
            return call_result.GetCompositeSchedule(GetCompositeScheduleStatus.rejected)
        unit = charging_rate_unit or "W"
        steps = self._desk.shelf.schedule(connector_id, duration, unit)
        periods = [{"start_period": start_s, "limit": limit} for start_s, limit in steps]
        return call_result.GetCompositeSchedule(
            GetCompositeScheduleStatus.accepted,
            connector_id=connector_id,
            schedule_start=self._desk.stamp(),
            charging_schedule={
                "duration": duration,
                "charging_rate_unit": unit,
                "charging_schedule_period": periods,
            },
        )

    def profile_for_start(self, evse: Evse, told: dict[str, Any]) -> bool:
        """Takes the profile of a remote start; it counts once its transaction runs."""
        number = int(evse.spec.evse_id.rpartition("*")[2])
        profile = profile_of(told, number, self._desk.now_ms())
        return profile is not None and profile.purpose == TX and self._desk.shelf.put_ahead(profile)
