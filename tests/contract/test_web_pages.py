"""What each page of the operator is told over HTTP, by a real coordinator with a car on its way."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watched_town import BROKEN, EVSES, TOKEN, WatchedTown, watched_town

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[WatchedTown]:
    async with watched_town(tmp_path) as town:
        yield town


async def ask(
    town: WatchedTown, path: str, body: Any = None, token: str = ""
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one answer; with a body it is sent as POST."""

    def send() -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection(urlsplit(town.url).netloc, timeout=30)
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        method, sent = ("GET", None) if body is None else ("POST", json.dumps(body))
        connection.request(method, f"/api/{path}", sent, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    return await asyncio.to_thread(send)


async def test_web_piles_are_found_by_station_status_and_text(town: WatchedTown) -> None:
    """Filters narrow the table; pages follow each other without loss; a wrong status is named."""
    await town.see(["A-2*1"], BROKEN)
    _, all_of_them = await ask(town, "piles?limit=2")
    _, rest = await ask(town, f"piles?limit=2&after={all_of_them['next']}")
    _, broken = await ask(town, "piles?status=OUTOFORDER,INOPERATIVE")
    _, at_b = await ask(town, "piles?station=B&q=b-1")
    status, wrong = await ask(town, "piles?status=LOST")

    seen = [row["evse"] for row in (*all_of_them["piles"], *rest["piles"])]
    assert (tuple(seen), rest["next"]) == (EVSES, None)
    assert [row["evse"] for row in broken["piles"]] == ["A-2*1"]
    assert broken["piles"][0]["source"] == "MODBUS"
    assert broken["piles"][0]["since_s"] is not None
    assert [row["evse"] for row in at_b["piles"]] == ["B-1*1"]
    assert (status, wrong["error"]["field"]) == (400, "status")


async def test_web_a_pile_shows_evidence_likes_facts_and_who_is_coming(town: WatchedTown) -> None:
    """One pile: its rate with what it rests on, its neighbours, its facts, its claim."""
    promise = await town.promise("car-1")
    pile_id = promise.choice.evse.pile_id
    await town.operator.UpdateKnowledgeMap(op.UpdateKnowledgeMapRequest(), timeout=20)
    _, told = await ask(town, f"piles/{pile_id}")

    (evse,) = told["evses"]
    assert 0 <= evse["failure_rate"] <= 1
    assert evse["exposure_days"] >= 0
    assert [claim["car"] for claim in evse["claims"]] == ["car-1"]
    assert {row["pile"] for row in told["map"]["neighbours"]} <= {"A-1", "A-2", "B-1"} - {pile_id}
    assert told["map"]["neighbours"][0]["similarity"] >= told["map"]["threshold"]
    assert "label" in {fact["field"] for fact in told["facts"]}
    assert told["events"][0]["kind"] == "RECOMMENDED"
    assert (await ask(town, "piles/nowhere"))[0] == 404


async def test_web_frames_of_a_pile_need_a_token_and_an_agent_that_answers(
    town: WatchedTown,
) -> None:
    """Nobody listens without a token; a length beyond the limit is named."""
    without, told = await ask(town, "piles/A-1/frames", {"duration_s": 1})
    long, wrong = await ask(town, "piles/A-1/frames", {"duration_s": 1e9}, TOKEN)

    assert (without, told["error"]["code"]) == (401, "WEB-001")
    assert (long, wrong["error"]["field"]) == (400, "duration_s")


async def test_web_ledger_explains_what_was_decided_and_why(town: WatchedTown) -> None:
    """After a re-route: two decisions in order, reasons in the language asked for, the area."""
    promise = await town.promise("car-1")
    await town.see(["A-1*1", "A-2*1"], BROKEN)
    name = quote(promise.recommendation_id)
    deadline = asyncio.get_running_loop().time() + 20
    while (told := (await ask(town, f"recommendations/{name}"))[1])["choice"]["station"] != "B":
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    _, chinese = await ask(town, f"recommendations/{name}?language=zh")
    _, listed = await ask(town, "recommendations?only=changed&q=CAR-1")

    codes = [one["code"] for one in told["account"]]
    assert codes[0] == "RECOMMENDED"
    assert codes[-1] == "PILE_FAILED"
    assert told["same_as_told"] is True
    assert told["area"]["held"] == "B"
    assert set(told["candidates"][0]["terms_s"]) >= {"drive", "wait", "price"}
    assert "车程" in chinese["choice"]["summary"]
    assert [row["id"] for row in listed["recommendations"]] == [promise.recommendation_id]
    assert (await ask(town, f"recommendations/{name}?language=xx"))[0] == 400


async def test_web_two_cars_that_want_one_place_are_shown_as_a_conflict(town: WatchedTown) -> None:
    """The later car stands in the ledger as one whose conflict was solved; the first does not."""
    await town.see(["A-2*1"], BROKEN)
    for car in ("car-1", "car-2"):
        await town.promise(car)

    _, listed = await ask(town, "recommendations?only=conflict")
    _, everything = await ask(town, "recommendations")

    assert [row["car"] for row in listed["recommendations"]] == ["car-2"]
    assert [row["car"] for row in everything["recommendations"]] == ["car-2", "car-1"]


async def test_web_models_are_shown_to_all_and_swapped_by_holders_only(town: WatchedTown) -> None:
    """Card and pictures are there for everybody; a swap needs a token and a bundle that is good."""
    _, told = await ask(town, "models")
    without, _ = await ask(town, "models", {"action": "activate"})
    nothing, error = await ask(town, "models", {"action": "rollback"}, TOKEN)
    missing, why = await ask(town, "models", {"action": "activate", "bundle": "/no/such"}, TOKEN)
    wrong, field = await ask(town, "models", {"action": "explode"}, TOKEN)
    again, shipped = await ask(town, "models", {"action": "activate"}, TOKEN)

    (active,) = [bundle for bundle in told["bundles"] if bundle["role"] == "active"]
    assert "# Model card" in active["card"]
    assert any("reliability" in name for name in active["plots"])
    assert without == 401
    assert (nothing, error["error"]["field"]) == (400, "rollback")
    assert (missing, why["error"]["code"]) == (422, "MODEL-001")
    assert (wrong, field["error"]["field"]) == (400, "action")
    assert (again, shipped["bundles"][0]["sha256"]) == (200, active["sha256"])


async def test_web_evaluation_and_indexes_tell_the_same_of_a_window(town: WatchedTown) -> None:
    """The page and `GetIndexes` have one reckoning: cars, cost, balance, gaps and waits agree."""
    now_s = int(time.time())

    def session(evse_id: str, ago_min: int, wait_s: float) -> op.SessionRecord:
        begin_s = now_s - ago_min * 60
        return op.SessionRecord(
            evse_id=evse_id, started_at=Timestamp(seconds=begin_s),
            ended_at=Timestamp(seconds=begin_s + 900), wait_s=wait_s,
            price=nouns.Money(currency="CNY", micros=15_000_000),
        )  # fmt: skip

    sessions = [session("A-1*1", 170, 30.0), session("A-1*1", 120, 90.0), session("B-1*1", 60, 0.0)]
    await town.operator.PutSessions(op.PutSessionsRequest(sessions=sessions), timeout=10)
    _, page = await ask(town, "evaluation?hours=3")
    window = wire.TimeWindow(from_at=Timestamp(seconds=int(page["from_s"])))
    answer = await town.operator.GetIndexes(op.GetIndexesRequest(window=window), timeout=10)
    five, told = page["five"], answer.indexes

    assert (five["flow_demand"], five["cost"], five["gini"]) == (3, 45.0, told["gini"])
    assert (told["cars_served"], told["total_cost"]) == (3.0, 45.0)
    assert five["variation"] == told["cv"]
    assert five["short_gaps"] == told["short_gap_share"]
    assert told["mean_wait_min"] == pytest.approx(40.0 / 60.0)


async def test_web_roads_are_not_known_until_they_are_put(town: WatchedTown) -> None:
    """Without roads it is said; with them a car's way has it on each stretch before it."""
    await town.promise("car-1")
    _, before = await ask(town, "roads")
    await town.build_roads()
    deadline = asyncio.get_running_loop().time() + 30
    while not (told := (await ask(town, "roads"))[1])["ways"]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.2)

    assert (before["known"], before["roads"], before["cars"]) == (False, [], None)
    assert (told["known"], told["total"], told["cars"]) == (True, 2, 1)
    assert [road["cars"] for road in told["roads"]] == [1, 0]
    assert {road["grade"] for road in told["roads"]} == {None}


async def test_web_quality_tells_how_each_agent_fares(town: WatchedTown) -> None:
    """Lag, buffer, skew and gaps of a connected agent, and how old the rows are."""
    _, told = await ask(town, "quality")

    (agent,) = told["agents"]
    assert agent["connected"] is True
    assert agent["lag_s"] < 30
    assert (agent["records"], agent["gaps"], agent["rejected"]) == (town.reported, 0, 0)
    assert sum(age["evses"] for age in told["ages"]) == len(EVSES)
    assert told["without_agent"] == 0


async def test_web_evaluation_counts_what_was_promised(town: WatchedTown) -> None:
    """A promise of now is in the newest part of the window, with its way."""
    await town.promise("car-1")
    _, told = await ask(town, "evaluation?hours=1")

    assert told["five"]["point_demand_km"] == pytest.approx(1.3, abs=0.4)
    assert [part["promised"] for part in told["over_time"]] == [0] * 23 + [1]
    assert sum(level["cars"] for level in told["by_level"].values()) == 1
    assert [strip["id"] for strip in told["use"]] == ["A", "B"]
    assert (await ask(town, "evaluation?hours=0"))[0] == 400
