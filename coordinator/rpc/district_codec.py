"""What a district knows of candidates, to the wire and back.

What is told of a candidate in words and links is in `charging_codec.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.districts import Share
from coordinator.core.recommend.eta import Drive
from coordinator.core.recommend.found import Candidates, Near
from coordinator.core.recommend.gather import Gathered
from coordinator.core.recommend.waiting import Wait
from coordinator.core.surroundings import AROUND_PILE
from coordinator.rpc.charging_codec import stamp
from coordinator.usecases.summary import Summary
from pilewise.v1 import district_service_pb2 as wire

MICROS = 1_000_000
Floats = NDArray[np.float64]

# Fields of the wire that hold a column as it is, by the name of the column.
_DRIVE = {
    "distance_km": "distance_km",
    "arrival_soc_pct": "arrival_soc_pct",
    "detour_km": "detour_km",
    "detour_s": "detour_s",
    "onward_s": "onward_s",
}
_WAIT = {"expected_s": "expected_wait_s", "unheld_s": "unheld_wait_s", "free_in_s": "free_in_s"}
_KNOWN = {
    "charge_s": "charge_s",
    "power_kw": "power_kw",
    "energy_kwh": "energy_kwh",
    "p_working": "p_working",
    "p_free": "p_free",
    "p_breaks_off": "p_breaks_off",
    "preference": "preference_per_km",
    "station_free_share": "station_free_share",
    "exposure_days": "exposure_days",
}


def fill_share(message: wire.FindCandidatesResponse, share: Share, wanted: Sequence[int]) -> None:
    """Writes the facts of the wanted candidates, and of the district, into a message."""
    message.district_id = share.district_id
    for number in wanted:
        _fill_facts(message.facts.add(), share, number)
    district = message.district
    district.fitting_in_reach_count = share.in_reach
    district.around_count = share.around
    if share.cars_around is not None:
        district.cars_around_count = share.cars_around
    for evses, served in zip(share.class_evses.tolist(), share.class_served.tolist(), strict=True):
        district.classes.add(evse_count=int(evses), served_count=int(served))
    district.visit_count = int(share.visit_total)
    district.vip = share.vip
    district.iteration_count = share.iterations
    if share.nearest_km < float("inf"):
        district.nearest_km = share.nearest_km


def _fill_facts(facts: wire.CandidateFacts, share: Share, number: int) -> None:
    known, at = share.known, (0, number)
    found, drive, wait = known.found, known.drive, known.wait
    facts.evse_id, facts.station_id = share.evse_ids[number], share.station_ids[number]
    facts.provenance = int(found.near.provenance[at])
    facts.straight_km = found.near.straight_km[at]
    for group, names in ((drive, _DRIVE), (wait, _WAIT), (known, _KNOWN)):
        for column, field in names.items():
            setattr(facts, field, float(getattr(group, column)[at]))
    facts.drive_s.p50, facts.drive_s.p90 = drive.drive_s[at], drive.drive_p90_s[at]
    facts.wait_s.p50, facts.wait_s.p90 = wait.p50_s[at], wait.p90_s[at]
    if np.isfinite(drive.destination_km[at]):
        facts.destination_km = drive.destination_km[at]
    facts.ahead_count, facts.held = int(wait.ahead[at]), bool(wait.held[at])
    if np.isfinite(known.price[at]):
        facts.price.currency = share.currencies[number]
        facts.price.micros = round(float(known.price[at]) * MICROS)
    facts.visit_count = int(share.visits[number])
    facts.served_count = int(known.served[at])
    facts.power_class = int(share.power_class[number])
    grade = known.traffic_grade
    facts.traffic_grade = grade if isinstance(grade, float) else float(grade[at])
    facts.room, facts.dc = bool(known.parking[at]), bool(known.dc[at])
    facts.status = int(found.status[at])  # type: ignore[assignment]  # the same numbers
    if np.isfinite(known.status_age_s[at]):
        facts.status_age_s = known.status_age_s[at]
    facts.queue_length = int(known.queue_length[at])
    facts.station_evse_count = int(known.station_evse_count[at])
    awaited = known.expected_arrivals
    facts.expected_arrival_count = awaited if isinstance(awaited, float) else float(awaited[at])
    for name in AROUND_PILE:
        column = getattr(known, name)
        value = column if isinstance(column, float) else float(column[at])
        if np.isfinite(value):
            setattr(facts, name, value)


def fill_summary(message: wire.SummarizeResponse, summary: Summary) -> None:
    """Writes the figures of a district into a message."""
    message.district_id = summary.district_id
    for status, count in summary.by_status.items():
        message.evse_count_by_status[status] = count
    message.claim_count, message.agent_count = summary.claims, summary.agents
    message.station_count = summary.stations
    stamp(message.observed_at, summary.observed_at_s)
    if summary.area is not None:
        area = message.area
        area.south_deg, area.west_deg, area.north_deg, area.east_deg = summary.area


def to_share(message: wire.FindCandidatesResponse) -> Share:
    """The share of a district again; what the wire rounds is the price alone."""
    facts, district = message.facts, message.district
    return Share(
        message.district_id,
        [one.evse_id for one in facts],
        [one.station_id for one in facts],
        [one.price.currency for one in facts],
        _known(message),
        _column(facts, "power_class")[0].astype(np.intp),
        np.array([one.evse_count for one in district.classes], dtype=np.float64),
        np.array([one.served_count for one in district.classes], dtype=np.float64),
        _column(facts, "visit_count")[0],
        float(district.visit_count),
        district.fitting_in_reach_count,
        district.around_count,
        district.nearest_km if district.HasField("nearest_km") else float("inf"),
        district.cars_around_count if district.HasField("cars_around_count") else None,
        district.vip,
        district.iteration_count,
    )


def _known(message: wire.FindCandidatesResponse) -> Gathered:
    facts = message.facts
    plain = {field: _column(facts, field) for field in (*_KNOWN.values(), *_DRIVE.values())}
    return Gathered(
        _found(message),
        _drive(message),
        _wait(message),
        plain["charge_s"],
        plain["power_kw"],
        plain["energy_kwh"],
        plain["p_working"],
        plain["p_free"],
        plain["p_breaks_off"],
        _row(o.price.micros / MICROS if o.HasField("price") else np.nan for o in facts),
        plain["preference_per_km"],
        _row(0.0 for _ in facts),  # by all districts together
        _column(facts, "served_count"),
        _row(0.0 for _ in facts),  # by all districts together
        _column(facts, "traffic_grade"),
        _column(facts, "room").astype(bool),
        _column(facts, "dc").astype(bool),
        _row(o.status_age_s if o.HasField("status_age_s") else np.inf for o in facts),
        _column(facts, "queue_length").astype(np.int16),
        plain["station_free_share"],
        _column(facts, "station_evse_count").astype(np.int32),
        plain["exposure_days"],
        _column(facts, "expected_arrival_count"),
        _row(o.people_flow_per_h if o.HasField("people_flow_per_h") else np.nan for o in facts),
        _row(o.road_facility_score if o.HasField("road_facility_score") else np.nan for o in facts),
    )


def _found(message: wire.FindCandidatesResponse) -> Candidates:
    facts, district = message.facts, message.district
    number = np.arange(len(facts))[None, :]
    near = Near(
        number,
        _column(facts, "straight_km"),
        _column(facts, "distance_km"),
        _column(facts, "station_free_share"),
        np.zeros(number.shape),  # who is promised what elsewhere is not told
        _column(facts, "provenance").astype(np.uint8),
    )
    return Candidates(
        number,
        number,
        _column(facts, "status").astype(np.int8),
        np.ones(number.shape, dtype=bool),
        near,
        np.array([district.fitting_in_reach_count]),
        np.array([district.around_count]),
    )


def _drive(message: wire.FindCandidatesResponse) -> Drive:
    facts = message.facts
    to_km = _row(o.destination_km if o.HasField("destination_km") else np.nan for o in facts)
    distance, arrival, detour_km, detour_s, onward_s = (
        _column(facts, field) for field in _DRIVE.values()
    )
    drive, p90 = _row(o.drive_s.p50 for o in facts), _row(o.drive_s.p90 for o in facts)
    return Drive(distance, drive, p90, arrival, detour_km, detour_s, to_km, onward_s)


def _wait(message: wire.FindCandidatesResponse) -> Wait:
    facts = message.facts
    return Wait(
        _row(o.wait_s.p50 for o in facts),
        _row(o.wait_s.p90 for o in facts),
        _column(facts, _WAIT["expected_s"]),
        _column(facts, _WAIT["unheld_s"]),
        _column(facts, _WAIT["free_in_s"]),
        _column(facts, "ahead_count").astype(np.int64),
        _column(facts, "held").astype(bool),
    )


def _row(values: object) -> Floats:
    return np.array([list(values)], dtype=np.float64)  # type: ignore[call-overload]


def _column(facts: Sequence[wire.CandidateFacts], field: str) -> Floats:
    return np.array([[getattr(one, field) for one in facts]], dtype=np.float64)
