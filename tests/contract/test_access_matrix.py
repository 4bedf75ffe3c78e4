"""Each identity calls each method with its own things and others': exactly what may succeeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import message_factory
from guarded_district import SERVICES, Guarded, asking, serve_guarded

from coordinator.rpc.access import TABLE
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op

OK, UNKNOWN_CALLER = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED
NOT_ALLOWED, HIDDEN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND
# The connection was just closed, or the machine was busy: nobody judged the call.
UNHEARD = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
CHARGING, OPERATOR = "pilewise.v1.ChargingService/", "pilewise.v1.OperatorService/"

METHODS = [
    f"{service}/{method.name}" for service, found in SERVICES.items() for method in found.methods
]
OF_CARS = {
    CHARGING + name
    for name in (
        "Recommend", "Confirm", "Guide", "UpdateProgress", "GetRecommendation", "Release",
        "ReportOutcome", "DetectIntention",
    )
}  # fmt: skip
MAP = {CHARGING + "ListStations"}
READING = {
    OPERATOR + name
    for name in (
        "ListPiles", "Watch", "Explain", "GetIndexes", "ListPileFacts", "GetKnowledgeMap",
        "ListModels", "CompareModels", "ListAgents", "ListClaims", "GetFrames", "Export",
        "ListDistricts",
    )
}  # fmt: skip
WRITING = {
    OPERATOR + name
    for name in (
        "Command", "PutPiles", "RetirePile", "PutPlannedOutages", "PutUsers", "PutSessions",
        "PutRequests", "PutContext", "PutStations", "PutTariffs", "PutRoads",
        "UpdateKnowledgeMap", "ReleaseClaim",
    )
}  # fmt: skip
ALL_OPERATOR = {method for method in METHODS if method.startswith(OPERATOR)}
DISTRICT = {method for method in METHODS if method.startswith("pilewise.v1.DistrictService/")}
AGENT = {"pilewise.v1.EdgeService/Renew", "pilewise.v1.EdgeService/Connect"}
ENROLMENT = {"pilewise.v1.EdgeService/Enroll"}

# What each may call; None is nobody who is known.
MAY: dict[str, set[str] | None] = {
    "nobody": None,
    "forged": None,
    "expired": None,
    "car": OF_CARS | MAP,
    "fleet": OF_CARS | MAP,
    "reader": READING | MAP,
    "writer": READING | WRITING | MAP,
    "admin": ALL_OPERATOR | MAP,
    "district": DISTRICT | OF_CARS | MAP,  # it passes on what any car says
    "agent": AGENT,  # by its certificate, on the agents' own port
}


def tokens(guarded: Guarded) -> dict[str, str]:
    """A token of each identity; the car is A-1, the fleet has all that begin with A-."""
    token = guarded.provider.token
    return {
        "nobody": "",
        "forged": token("admin").rpartition(".")[0] + "." + "A" * 86,
        "expired": token("admin", iat=1_700_000_000, exp=1_700_000_600),
        "car": token("car", vid="A-1"),
        "fleet": token("fleet", vid_prefix="A-"),
        "reader": token("operator.read"),
        "writer": token("operator.write"),
        "admin": token("admin"),
        "district": token("district"),
        "agent": "",
    }


async def outcome_of(guarded: Guarded, who: str, method: str, request: Any) -> grpc.StatusCode:
    """What a call of this identity came to."""
    channel = guarded.agents if who == "agent" else guarded.channel
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    for _ in range(5):
        code = (await guarded.outcome(method, request, tokens(guarded)[who], channel))[0]
        if code not in UNHEARD:
            break
    return code


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    """A coordinator with identities; turns are not what is tried here."""
    freely = {"vehicle_per_s": 1e6, "vehicle_burst": 1e6, "operator_burst": 1e6}
    async with serve_guarded(tmp_path, **freely) as served:
        yield served


async def promised(guarded: Guarded, car: str, number: str = "first") -> str:
    """The name of an answer to this car."""
    token = guarded.provider.token("car", vid=car)
    code, answer = await guarded.outcome(CHARGING + "Recommend", asking(car, number), token)
    assert code is OK, answer
    return str(answer.promise.recommendation_id)


def of_car(name: str, car: str, recommendation_id: str, number: int) -> Any:
    """A request to `ChargingService` that names things of this car."""
    if name == "Recommend":
        return asking(car, number)
    if name == "Guide":
        return wire.GuideRequest(open=wire.GuideOpen(recommendation_id=recommendation_id))
    if name == "ReportOutcome":
        return wire.ReportOutcomeRequest(
            recommendation_id=recommendation_id, outcome=wire.OUTCOME_KIND_ABANDONED
        )
    if name == "DetectIntention":
        return wire.DetectIntentionRequest(vehicle_id=car)
    kind = message_factory.GetMessageClass(
        SERVICES["pilewise.v1.ChargingService"].methods_by_name[name].input_type
    )
    return kind(recommendation_id=recommendation_id)


def bare(method: str) -> Any:
    """An empty request: it is enough to see who is let in."""
    service, _, name = method.partition("/")
    found = SERVICES[service].methods_by_name[name]
    return message_factory.GetMessageClass(found.input_type)()


def no_right(who: str) -> grpc.StatusCode:
    """A certificate proves nothing where a token is asked for."""
    return UNKNOWN_CALLER if who == "agent" else NOT_ALLOWED


def test_every_method_of_the_contract_has_a_rule() -> None:
    """No method is forgotten in the table, and the table names none that is not there."""
    assert set(TABLE) == set(METHODS)
    assert len(METHODS) == len(OF_CARS | MAP | ALL_OPERATOR | DISTRICT) + 3


@pytest.mark.parametrize("who", MAY)
async def test_an_identity_reaches_exactly_its_methods(guarded: Guarded, who: str) -> None:
    """Every method that touches nothing of a car lets in whom it should, and nobody else."""
    may = MAY[who]
    seen, expected = {}, {}
    for method in METHODS:
        if method in OF_CARS:
            continue
        code = await outcome_of(guarded, who, method, bare(method))
        seen[method] = code if code in (UNKNOWN_CALLER, NOT_ALLOWED) else OK
        if method in ENROLMENT:
            expected[method] = OK
        elif may is None:
            expected[method] = UNKNOWN_CALLER
        else:
            expected[method] = OK if method in may else no_right(who)

    assert seen == expected


@pytest.mark.parametrize("who", MAY)
async def test_cars_reach_what_is_theirs_only(guarded: Guarded, who: str) -> None:
    """A car, and each car of a fleet, reaches its own answers; those of others do not exist."""
    own, foreign = await promised(guarded, "A-1"), await promised(guarded, "B-1")
    may = MAY[who]
    seen, expected = {}, {}
    for number, method in enumerate(sorted(OF_CARS)):
        name = method.rpartition("/")[2]
        for car, answer in (("A-1", own), ("B-1", foreign)):
            code = await outcome_of(guarded, who, method, of_car(name, car, answer, number))
            seen[name, car] = code
            if may is None or method not in may:
                expected[name, car] = UNKNOWN_CALLER if may is None else no_right(who)
            elif car == "A-1" or who == "district":
                expected[name, car] = OK
            else:
                named = name in ("Recommend", "DetectIntention")
                expected[name, car] = NOT_ALLOWED if named else HIDDEN
        if name == "Recommend" and may and method in may:  # it has another answer now
            own = await promised(guarded, "A-1", "again")

    assert seen == expected


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("form", ["geojson", "sessions", "requests"])
async def test_files_that_tell_of_drivers_are_for_those_who_may_export_one(
    guarded: Guarded, who: str, form: str
) -> None:
    """Whoever looks takes stations out; where everybody was is for the scope admin alone."""
    code = await outcome_of(guarded, who, OPERATOR + "Export", op.ExportRequest(format=form))

    if MAY[who] is None or who == "agent":
        assert code is UNKNOWN_CALLER
    elif who == "admin" or (who in ("reader", "writer") and form == "geojson"):
        assert code is OK
    else:
        assert code is NOT_ALLOWED


async def test_an_agent_speaks_in_its_own_name_only(guarded: Guarded) -> None:
    """Its hello names the agent of its certificate, or the stream ends."""
    codes = {}
    for name in ("gw-1", "gw-2"):
        hello = edge.Hello(agent_id=name, spool_id=f"spool-{name}", next_record_seq=1)
        request = edge.ConnectRequest(hello=hello)
        code, _ = await guarded.outcome(
            "pilewise.v1.EdgeService/Connect", request, "", guarded.agents
        )
        codes[name] = code

    assert codes == {"gw-1": OK, "gw-2": NOT_ALLOWED}
