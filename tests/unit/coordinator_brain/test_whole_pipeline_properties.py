"""What holds from the wire to the wire, with the models that are shipped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from random_town import CENTRE, DISTRICTS, NOW_S, contexts, districts, requests

from coordinator.clock import Clock
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.gather import Gathered
from coordinator.core.recommend.pipeline import look, rank
from coordinator.core.recommend.rules import Rules
from coordinator.core.recommend.sorting import sort
from coordinator.core.vehicle import ChargingRequest, SelectBy, WarningLevel
from coordinator.models.serving import open_models
from coordinator.rpc.charging_codec import ChargingCodec
from coordinator.rpc.charging_request import to_request
from coordinator.usecases.composing import Composer
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import types_pb2 as nouns

SERVING = open_models()
MODELS = Models(SERVING.ranker)
CODEC = ChargingCodec(SERVING.parts, 1.0)

positions = st.builds(
    nouns.Position,
    latitude_deg=st.floats(CENTRE[0] - 0.2, CENTRE[0] + 0.2),
    longitude_deg=st.floats(CENTRE[1] - 0.2, CENTRE[1] + 0.2),
)
curves = st.lists(
    st.tuples(st.integers(0, 100), st.floats(0.1, 400)),
    max_size=6,
    unique_by=lambda point: point[0],
).map(lambda points: [wire.ChargingCurvePoint(soc_pct=s, power_kw=p) for s, p in sorted(points)])


def perhaps(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Each field, or its absence."""
    return st.fixed_dictionaries({}, optional=fields)


profiles = st.builds(
    lambda battery_kwh, optional: wire.VehicleProfile(battery_kwh=battery_kwh, **optional),
    st.floats(0.5, 10_000.0),
    perhaps(
        model=st.sampled_from(["", "BYD Seal", "an unheard-of van"]),
        charge_kwh=st.floats(0.0, 10_000.0),
        charging_curve=curves,
        reserve_at_station_pct=st.floats(0, 100),
        connectors=st.lists(st.sampled_from([26, 27]), max_size=2),
        consumption_kwh_per_km=st.floats(0.015625, 10.0),
        setup_s=st.floats(0, 7_200),
        max_ac_power_kw=st.floats(0.125, 5_000),
        max_dc_power_kw=st.floats(0.125, 5_000),
        max_voltage_v=st.floats(1, 10_000),
    ),
)
asked_on_the_wire = st.builds(
    lambda vehicle, soc_pct, position, optional: wire.RecommendRequest(
        request_id="r", vehicle_id="car", vehicle=vehicle, soc_pct=soc_pct, position=position,
        **optional,
    ),
    profiles,
    st.floats(0, 100),
    positions,
    perhaps(
        user_id=st.sampled_from(["", "u"]),
        target_soc_pct=st.floats(0, 100),
        destination=positions,
        purpose=st.sampled_from(wire.TravelPurpose.values()),
        charge_place=st.sampled_from(wire.ChargePlace.values()),
        expected_travel_s=st.floats(0, 604_800),
        payment_methods=st.lists(st.sampled_from(nouns.PaymentMethod.values()), max_size=3),
        air_conditioning=st.booleans(),
        select_by=st.sampled_from(wire.SelectBy.values()),
        language=st.sampled_from(["", "en", "zh"]),
        alternative_count=st.integers(0, 10),
    ),
)  # fmt: skip
ways = st.builds(
    Rules,
    select_by=st.sampled_from([key for key in SelectBy if key]),
    weights_by=st.sampled_from(["evidence", "iterations", "sum"]),
    waiting=st.sampled_from(["everyone", "printed"]),
)


def numbers(message: Message, path: str = "") -> Iterator[tuple[str, float]]:
    """Every floating-point number that is set in a message, with its place."""
    for field, value in message.ListFields():
        where = f"{path}.{field.name}"
        values = value if isinstance(value, list) or hasattr(value, "add") else [value]
        for one in values:
            if isinstance(one, Message):
                yield from numbers(one, where)
            elif field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
                yield where, one


@settings(max_examples=200, deadline=None)
@given(district=districts, message=asked_on_the_wire, context=contexts, rules=ways)
def test_no_valid_request_is_answered_with_nan_or_out_of_reach(
    district: District, message: wire.RecommendRequest, context: Context, rules: Rules
) -> None:
    """From a random message, whatever is missing in it, to a message in which all is finite."""
    request = to_request(message)
    context = replace(context, rules=rules, iterations=7)
    ranked = rank(district, request, context, MODELS, NOW_S)
    if ranked.batch is None:
        return
    composer = Composer(district, ClaimTable(), Clock())
    choice = int(ranked.order[0])
    answer = composer.compose(request, context, ranked, choice, None, Moment(NOW_S, 0.0))
    promise = CODEC.promise(answer)

    assert [where for where, value in numbers(promise) if not math.isfinite(value)] == []
    told = [promise.choice, *promise.alternatives]
    said = [promise.choice.summary, promise.choice.scores.text]
    said += [reason.text for reason in promise.choice.reasons]
    said += [one.text for one in promise.why_not] + [one.difference.text for one in told]
    assert not re.search(r"\b(nan|inf)\b", " ".join(said))
    assert all(one.distance_km <= ranked.reach_km + 1e-9 for one in told)
    assert all(one.scores.situation for one in told)
    assert not ranked.degraded, "the shipped ranker took part"


def sorted_anew(
    district: District, request: ChargingRequest, context: Context, known: Gathered, level: int
) -> Ranked:
    asked = look(district, [request], [context], NOW_S)[0]
    return sort(asked, [(WarningLevel(level), "TEST")], known, MODELS, [None])[0]


def place_of(ranked: Ranked, evse: int) -> int:
    """The place of an EVSE in the order; behind all where the chain left it out."""
    rows = ranked.rows.tolist()
    return rows.index(evse) if evse in rows else 10_000


def worse(known: Gathered, at: int, what: str, by: float) -> Gathered:
    """The same candidates, one of which waits longer, costs more or fails more often."""
    one = np.zeros(known.valid.shape)
    one[0, at] = by
    if what == "price":
        return replace(known, price=known.price + 40.0 * one)
    if what == "failure":
        return replace(known, p_working=known.p_working * (1.0 - one))
    wait, longer = known.wait, 3_000.0 * one
    return replace(
        known,
        wait=replace(
            wait, p50_s=wait.p50_s + longer, p90_s=wait.p90_s + longer,
            expected_s=wait.expected_s + longer, unheld_s=wait.unheld_s + longer,
            free_in_s=wait.free_in_s + longer,
        ),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    district=st.sampled_from(DISTRICTS),
    request=requests,
    level=st.sampled_from([1, 2, 3]),
    rules=ways,
    what=st.sampled_from(["wait", "price", "failure"]),
    by=st.floats(0.01, 1.0),
    pick=st.integers(0, 1_000),
)
def test_more_wait_price_or_failure_never_raises_a_candidate(
    district: District,
    request: ChargingRequest,
    level: int,
    rules: Rules,
    what: str,
    by: float,
    pick: int,
) -> None:
    """All else equal: neither its scores nor its place, in any order, on the shipped ranker."""
    request, context = replace(request, user_id="u"), Context(rules=rules)
    known = look(district, [request], [context], NOW_S)[2]
    count = int(known.valid.sum())
    if not count:
        return
    at = pick % count
    evse = int(known.found.evse[0, at])
    before = sorted_anew(district, request, context, known, level)
    after = sorted_anew(district, request, context, worse(known, at, what, by), level)

    assert place_of(after, evse) >= place_of(before, evse)
    first, second = before.columns, after.columns
    assert first is not None
    assert second is not None
    was, now = (np.flatnonzero(c.candidates.evse == evse) for c in (first, second))
    if not len(was) or not len(now) or len(first.share) != len(second.share):
        return  # the chain left it out, or let others in: shares are of other sets
    for better in ("merged", "second", "share"):
        assert getattr(second, better)[now[0]] <= getattr(first, better)[was[0]] + 1e-6, better
    assert second.cost.total[now[0]] >= first.cost.total[was[0]] - 1e-3
