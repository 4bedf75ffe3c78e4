"""The driver's page of a real coordinator over real HTTP: calls, stream, and whose car it is."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from served_brain import HERE, asking
from watched_town import BROKEN, WatchedTown, watched_town, with_page

from coordinator.web.drivers import vehicle_of

pytestmark = pytest.mark.slow
DRIVER = "a-driver-of-this-tab"
OTHER = "b-driver-of-that-tab"


class Driver:
    """What the page does, without a browser."""

    def __init__(self, town: WatchedTown, secret: str = DRIVER) -> None:
        self.netloc = urlsplit(town.url).netloc
        self.secret = secret

    async def post(self, call: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """A call and its answer; underscores in header names are dashes."""
        given = {"content-type": "application/json", "x-pilewise-driver": self.secret}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}

        def ask() -> tuple[int, dict[str, Any]]:
            connection = http.client.HTTPConnection(self.netloc, timeout=20)
            try:
                connection.request("POST", f"/api/drive/{call}", json.dumps(body), given)
                response = connection.getresponse()
                return response.status, json.loads(response.read())
            finally:
                connection.close()

        return await asyncio.to_thread(ask)

    async def ask(self, number: int = 1, **wishes: Any) -> dict[str, Any]:
        """The answer to a request."""
        status, told = await self.post("recommend", wish(number, **wishes))
        assert status == 200, told
        return told

    def stream(self, recommendation_id: str = "", after: str = "", **query: str) -> EventStream:
        """The stream of a tab."""
        query |= {"driver": self.secret, "recommendation_id": recommendation_id, "after": after}
        return EventStream(self.netloc, query)


class EventStream:
    """Server-sent events, each awaited by name."""

    def __init__(self, netloc: str, query: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection(netloc, timeout=20)
        pairs = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        self._connection.request("GET", f"/api/drive/stream?{pairs}")
        response = self._connection.getresponse()
        assert response.status == 200
        self._events = self._read(response)

    def _read(self, response: http.client.HTTPResponse) -> Iterator[tuple[str, str, Any]]:
        event: dict[str, str] = {}
        while line := response.readline():
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name:
                event[name] = value
            elif "event" in event:
                yield event["event"], event.get("id", ""), json.loads(event["data"])
                event = {}

    async def next(self, *names: str) -> tuple[str, str, Any]:
        """The next event of one of these names."""

        def wait() -> tuple[str, str, Any]:
            return next(event for event in self._events if event[0] in names)

        return await asyncio.wait_for(asyncio.to_thread(wait), 60)

    async def held_at(self, evse_id: str) -> tuple[Any, list[str]]:
        """The promise once it is of this EVSE, and the names of all events until then."""
        names, value = [], None
        while value is None or value["promise"]["choice"]["evse"]["evse_id"] != evse_id:
            name, _, told = await self.next("snapshot", "change", "promise", "gone", "closed")
            names.append(name)
            value = told if name == "promise" else value
        return value, names

    def close(self) -> None:
        """Goes away."""
        self._connection.close()


def wish(number: int = 1, **wishes: Any) -> dict[str, Any]:
    """A request as the page sends it."""
    return {
        "request_id": f"request-{number}",
        "vehicle": {"battery_kwh": 60, "connectors": ["CONNECTOR_STANDARD_IEC_62196_T2_COMBO"]},
        "soc_pct": 50,
        "position": {"latitude_deg": HERE[0], "longitude_deg": HERE[1]},
        **wishes,
    }


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[WatchedTown]:
    async with watched_town(tmp_path) as town:
        yield town


async def test_drive_a_request_sent_twice_is_one_promise_and_the_same_as_by_grpc(
    town: WatchedTown,
) -> None:
    """The second click gets the first answer, and a car by gRPC would be sent to the same EVSE."""
    driver = Driver(town)
    first, second = await asyncio.gather(driver.ask(), driver.ask())
    name = first["promise"]["recommendation_id"]
    status, _ = await driver.post("release", {"recommendation_id": name})
    by_grpc = await town.cars.Recommend(asking("car-1"), timeout=10)

    assert status == 200
    assert name == second["promise"]["recommendation_id"]
    choice = first["promise"]["choice"]
    assert choice["evse"]["evse_id"] == by_grpc.promise.choice.evse.evse_id
    assert choice["reasons"][0]["text"] == by_grpc.promise.choice.reasons[0].text
    assert choice["hold"]["kind"] == "HOLD_KIND_SOFT"
    assert choice["eta_s"]["p90"] >= choice["eta_s"]["p50"] > 0


async def test_drive_a_tab_is_told_of_its_promise_until_the_end(town: WatchedTown) -> None:
    """First stations and promise, then the re-route with its sentence, then the release."""
    driver = Driver(town)
    name = (await driver.ask())["promise"]["recommendation_id"]
    stream = driver.stream(name)
    _, number, snapshot = await stream.next("snapshot")
    _, _, offered = await stream.next("promise")
    await driver.post("confirm", {"recommendation_id": name})
    await town.see(["A-1*1", "A-2*1"], BROKEN)
    moved, _ = await stream.held_at("B-1*1")
    await driver.post("release", {"recommendation_id": name})
    _, _, closed = await stream.next("closed")
    stream.close()

    assert [one["id"] for one in snapshot["stations"]] == ["A", "B"]
    assert "cars" not in snapshot
    assert number
    assert (offered["phase"], moved["phase"]) == ("offered", "driving")
    assert moved["promise"]["change"]["text"].endswith("failed while you were driving")
    assert [one["code"] for one in moved["changes"]][-1] == "PILE_FAILED"
    assert closed["code"] == "RELEASED"


async def test_drive_a_tab_that_comes_back_is_told_the_same_promise_and_what_it_missed(
    town: WatchedTown,
) -> None:
    """With the id of its newest frame it gets changes only, and its promise in the newest form."""
    driver = Driver(town)
    name = (await driver.ask())["promise"]["recommendation_id"]
    await driver.post("confirm", {"recommendation_id": name})
    stream = driver.stream(name, tab="one")
    _, number, _ = await stream.next("snapshot")
    stream.close()
    await town.see(["A-1*1", "A-2*1"], BROKEN)
    again = driver.stream(name, after=number, tab="one", language="zh")
    told, names = await again.held_at("B-1*1")
    again.close()

    assert "snapshot" not in names
    assert told["language"] == "en"
    assert {one["code"] for one in told["changes"]} >= {"RECOMMENDED", "PILE_FAILED"}
    summary = told["promise"]["choice"]["summary"]
    assert re.search("[一-鿿]", summary), summary


async def test_drive_the_promise_of_another_is_as_unknown_as_none(town: WatchedTown) -> None:
    """Neither calls nor streams of one page reach the promise of another, or of a car by gRPC."""
    name = (await Driver(town).ask())["promise"]["recommendation_id"]
    thief = Driver(town, OTHER)
    calls = ("confirm", "release", "progress", "outcome")
    refused = [await thief.post(call, {"recommendation_id": name}) for call in calls]
    stream = thief.stream(name)
    _, _, gone = await stream.next("gone")
    stream.close()
    by_grpc = await town.promise("car-1")
    body = {"recommendation_id": by_grpc.recommendation_id}
    status, _ = await thief.post("release", body)
    named, told = await thief.post("recommend", wish(2, vehicle_id="car-1"))

    assert [status for status, _ in refused] == [404] * 4
    assert gone["recommendation_id"] == name
    assert status == 404
    assert (named, told["error"]["field"]) == (400, "vehicle_id")


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"soc_pct": 101}, "soc_pct"),
    ({"soc_pct": "NaN"}, "soc_pct"),
    ({"soc_pct": "much"}, "soc_pct"),
    ({"position": {"latitude_deg": 91, "longitude_deg": 0}}, "position.latitude_deg"),
    ({"vehicle": {"battery_kwh": 0}}, "vehicle.battery_kwh"),
    ({"vehicle": {"battery_kwh": 60, "wheels": 3}}, "vehicle.wheels"),
    ({"arrive_by": "soon"}, "arrive_by"),
    ({"budget": 30}, "budget"),
    ({"request_id": ""}, "request_id"),
)


async def test_drive_a_wrong_field_is_named_as_in_the_contract(town: WatchedTown) -> None:
    """The page can say beside the field what is wrong with it."""
    driver = Driver(town)
    told = [await driver.post("recommend", wish(1, **wishes)) for wishes, _ in WRONG]

    assert [status for status, _ in told] == [400] * len(WRONG)
    assert {answer["error"]["code"] for _, answer in told} == {"DATA-001"}
    named = [list(answer["error"]["fields"]) for _, answer in told]
    assert named == [[field] for _, field in WRONG]


async def test_drive_pages_of_other_sites_change_nothing(town: WatchedTown) -> None:
    """Neither by a foreign origin, nor without the header that only a page of ours can send."""
    driver = Driver(town)
    foreign, _ = await driver.post("recommend", wish(), origin="http://evil.example")
    plain, _ = await driver.post("recommend", wish(), x_pilewise_driver="")
    form, _ = await driver.post("recommend", wish(), content_type="text/plain")
    asked = await town.cars.Recommend(asking("car-1"), timeout=10)

    assert (foreign, plain, form) == (403, 400, 400)
    assert asked.promise.choice.evse.station_id == "A"


async def test_drive_what_the_car_measured_reaches_its_tabs_only(town: WatchedTown) -> None:
    """A charge pushed by the car is told to the page that speaks for it."""
    driver, other = Driver(town), Driver(town, OTHER)
    stream, quiet = driver.stream(), other.stream()
    await stream.next("beat")
    await quiet.next("beat")
    status, told = await driver.post("push", {"soc_pct": 19.5})
    _, _, pushed = await stream.next("pushed")
    wrong, _ = await driver.post("push", {"soc_pct": 119.5})
    nobody = await Driver(town, "c-driver-of-no-tab").post("push", {"soc_pct": 10})
    stream.close()
    quiet.close()

    assert (status, told, pushed) == (200, {"tabs": 1}, {"soc_pct": 19.5})
    assert wrong == 400
    assert nobody == (200, {"tabs": 0})


async def test_drive_a_restart_keeps_the_promise_and_a_lost_store_is_told(
    town: WatchedTown,
) -> None:
    """After a restart the tab finds its promise; without the store it hears that it is gone."""
    driver = Driver(town)
    name = (await driver.ask())["promise"]["recommendation_id"]
    await driver.post("confirm", {"recommendation_id": name})
    await town.process.stop()
    await town.process.start()
    stream = Driver(town).stream(name)
    _, _, kept = await stream.next("promise", "gone")
    stream.close()
    await town.process.stop()
    for file in sorted(town.process.data_dir.rglob("*.db*")):
        file.unlink()
    await town.process.start()
    stream = Driver(town).stream(name)
    kind, _, gone = await stream.next("promise", "gone")
    stream.close()

    assert kept["confirmed"]
    assert kept["promise"]["recommendation_id"] == name
    assert (kind, gone["recommendation_id"]) == ("gone", name)
    assert vehicle_of(DRIVER).startswith("web-")


@pytest.mark.parametrize("anonymous", [[], ["car", "operator.read"]])
async def test_drive_is_shut_where_cars_must_prove_who_they_are(
    tmp_path: Path, anonymous: list[str]
) -> None:
    """With identities nobody asks past them; who lets anonymous cars in has the page as well."""
    process = with_page(tmp_path)
    with process.config.open("a") as file:
        tokens = tmp_path / "tokens"
        file.write(f'[identity]\ntoken_file = "{tokens}"\nanonymous = {json.dumps(anonymous)}\n')
    await process.start()
    try:
        netloc = urlsplit(process.ready["web"]).netloc
        asked = await asyncio.to_thread(statuses, netloc)
    finally:
        await process.stop()

    assert asked == ([200, 200, 200] if anonymous else [403, 403, 403])


def statuses(netloc: str) -> list[int]:
    """What the page, its stream and a request of it are answered with."""
    told = []
    for method, path, body in (
        ("GET", "/drive", None),
        ("GET", f"/api/drive/stream?driver={DRIVER}", None),
        ("POST", "/api/drive/recommend", json.dumps(wish())),
    ):
        connection = http.client.HTTPConnection(netloc, timeout=20)
        headers = {"content-type": "application/json", "x-pilewise-driver": DRIVER}
        connection.request(method, path, body, headers)
        told.append(connection.getresponse().status)
        connection.close()
    return told
