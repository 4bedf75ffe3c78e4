"""Exports of a real coordinator over HTTP: the files, and OCPI's lists page by page."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watched_town import BROKEN, TOKEN, WatchedTown, watched_town

from city_sim.messages import tariff_message
from coordinator.core.pile import Tariff, TariffElement
from coordinator.importers import load_stations
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
LOCATIONS = "/v1/export/ocpi/locations"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[WatchedTown]:
    async with watched_town(tmp_path) as town:
        yield town


async def ask(
    town: WatchedTown, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer and its body; underscores in header names are dashes."""

    def send() -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(urlsplit(town.url).netloc, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=given)
        response = connection.getresponse()
        return response, response.read()

    return await asyncio.to_thread(send)


async def fresh(town: WatchedTown, path: str, old: str) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer once its tag is no longer the old one: files are kept for a moment."""
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        response, body = await ask(town, path)
        if response.headers["etag"] != old:
            return response, body
        assert asyncio.get_running_loop().time() < deadline, "the file never changed"
        await asyncio.sleep(0.2)


async def exported(town: WatchedTown, form: str) -> bytes:
    """The same file by gRPC."""
    pieces = town.operator.Export(op.ExportRequest(format=form), timeout=10)
    return b"".join([piece.chunk async for piece in pieces])


async def test_web_export_is_the_file_of_the_command(town: WatchedTown) -> None:
    """Byte for byte what `Export` gives, but for the instant of writing; with its media type."""
    table = "text/csv; charset=utf-8; header=present"
    for name, form, kind in (
        ("stations.csv", "csv", table),
        ("connectors.json", "connectors", "application/json"),
        ("tariffs.csv", "tariffs", table),
    ):
        response, body = await ask(town, f"/v1/export/{name}")
        assert (response.status, response.headers["content-type"]) == (200, kind)
        assert name in response.headers["content-disposition"]
        assert body == await exported(town, form)
    response, body = await ask(town, "/v1/export/stations.geojson")
    ours, theirs = json.loads(body), json.loads(await exported(town, "geojson"))

    assert response.headers["content-type"] == "application/geo+json"
    for feature in (*ours["features"], *theirs["features"]):
        assert feature["properties"].pop("as_of", "outline")
    assert ours == theirs
    assert ours["features"][0]["properties"]["available"] == 2


async def test_web_export_outlines_what_cars_are_promised(town: WatchedTown) -> None:
    """A charging area is on the map while a car drives there, without the car; waits are told."""
    empty, _ = await ask(town, "/v1/export/geojson")
    await town.see(["A-1*1"], BROKEN)
    held = await town.promise("car-1")
    _, body = await fresh(town, "/v1/export/geojson", empty.headers["etag"])
    features = {feature["id"]: feature for feature in json.loads(body)["features"]}
    (area,) = (f for f in features.values() if f["properties"]["kind"] == "charging_area")
    broken, promised = (
        pile["evses"][0]["wait_p50_s"] for pile in features["A"]["properties"]["piles"]
    )

    assert area["properties"]["station_ids"] == list(held.area.station_ids)
    assert area["properties"]["car_count"] == 1
    assert "car-1" not in body.decode()
    assert features["district:test"]["geometry"]["type"] == "Polygon"
    assert broken is None
    assert promised > 0


async def test_web_export_of_stations_is_read_back(town: WatchedTown, tmp_path: Path) -> None:
    """A file that was fetched is one that an import takes."""
    _, body = await ask(town, "/v1/export/stations.csv")
    path = tmp_path / "fetched.csv"
    path.write_bytes(body)

    assert [len(station.piles) for station in load_stations(path)] == [2, 1]


async def test_web_export_is_sent_again_only_when_it_says_something_else(
    town: WatchedTown,
) -> None:
    """Who has the file is told so; when a pile fails it is another file."""
    path = "/v1/export/stations.geojson"
    first, _ = await ask(town, path)
    tag = first.headers["etag"]
    again, nothing = await ask(town, path, if_none_match=f'"other", {tag}')
    head, none = await ask(town, path, "HEAD")
    await town.see(["A-1*1"], BROKEN)
    _, changed = await fresh(town, path, tag)

    assert (again.status, nothing, again.headers["etag"]) == (304, b"", tag)
    assert (head.status, none) == (200, b"")
    properties = {f["id"]: f["properties"] for f in json.loads(changed)["features"]}
    assert properties["A"]["available"] == 1


async def test_web_export_changes_nothing_and_lists_what_there_is(town: WatchedTown) -> None:
    """The list names every file; nothing can be written there, and what is not there is 404."""
    _, listed = await ask(town, "/v1/export")
    statuses = {}
    for one in json.loads(listed)["exports"]:
        given = {"authorization": f"Bearer {TOKEN}"} if one["token"] else {}
        response, _ = await ask(town, one["path"], **given)
        statuses[one["path"]] = response.status
        assert response.headers["content-type"].startswith(one["kind"])
    written, _ = await ask(town, "/v1/export/stations.csv", "PUT")
    missing, told = await ask(town, "/v1/export/users.csv")

    assert set(statuses.values()) == {200}
    assert len(statuses) == 8
    assert (written.status, missing.status) == (405, 404)
    assert "users.csv" in json.loads(told)["error"]["message"]


async def test_web_export_of_cars_needs_a_token(town: WatchedTown) -> None:
    """Who asked for a pile, and from where, is told to the bearer of a token only."""
    asked = op.RequestRecord(
        request_id="q1",
        asked_at=Timestamp(seconds=int(time.time()) - 60),
        vehicle_id="car-1",
        position=nouns.Position(latitude_deg=22.51, longitude_deg=114.0),
        soc_pct=30.0,
    )
    old = op.RequestRecord()
    old.CopyFrom(asked)
    old.request_id, old.asked_at.seconds = "q0", asked.asked_at.seconds - 90_000
    await town.operator.PutRequests(op.PutRequestsRequest(requests=[old, asked]), timeout=10)
    path = "/v1/export/requests.csv"
    without, told = await ask(town, path)
    bearer = {"authorization": f"Bearer {TOKEN}"}
    allowed, body = await ask(town, path, **bearer)
    wrong, field = await ask(town, path + "?hours=9999", **bearer)

    assert (without.status, json.loads(told)["error"]["code"]) == (401, "WEB-001")
    assert b"car-1" not in told
    assert allowed.status == 200
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [(row["request_id"], row["vehicle_id"]) for row in rows] == [("q1", "car-1")]
    assert (wrong.status, json.loads(field)["error"]["field"]) == (400, "hours")


async def test_web_ocpi_pages_follow_their_links_to_the_end(town: WatchedTown) -> None:
    """By `Link` every Location comes once, in order, with the count of all and the limit."""
    found: list[str] = []
    path: str | None = f"{LOCATIONS}?limit=1&date_from=2020-01-01T00:00:00Z"
    pages = []
    while path:
        response, body = await ask(town, path)
        page = json.loads(body)
        pages.append((response.headers["x-total-count"], response.headers["x-limit"]))
        assert (page["status_code"], len(page["data"])) == (1000, 1)
        assert datetime.fromisoformat(page["timestamp"]).tzinfo is UTC
        found += [location["id"] for location in page["data"]]
        link = response.headers["link"]
        if link is None:
            break
        address, _, relation = link.partition("; ")
        assert relation == 'rel="next"'
        assert "date_from=2020-01-01" in address
        parts = urlsplit(address.strip("<>"))
        assert parts.netloc == urlsplit(town.url).netloc
        path = f"{parts.path}?{parts.query}"

    assert found == ["A", "B"]
    assert pages == [("2", "200")] * 2


async def test_web_ocpi_limits_are_kept_and_wrong_ones_named(town: WatchedTown) -> None:
    """Bounds of a page on both sides; a wrong parameter is OCPI's 2001 with the parameter."""
    right = {
        "limit=100000": 2, "offset=2": 0, "offset=1": 1, "date_from=2999-01-01T00:00:00Z": 0,
        "date_to=2020-01-01T00:00:00": 0, "date_to=2999-01-01T00:00:00%2B08:00": 2,
    }  # fmt: skip
    wrong = ("limit=0", "limit=x", "offset=-1", "date_to=yesterday", "date_from=2999")
    for query, count in right.items():
        response, body = await ask(town, f"{LOCATIONS}?{query}")
        assert (query, response.status, len(json.loads(body)["data"])) == (query, 200, count)
    for query in wrong:
        response, body = await ask(town, f"{LOCATIONS}?{query}")
        page = json.loads(body)
        assert (query, response.status, page["status_code"]) == (query, 400, 2001)
        assert query.partition("=")[0] in page["status_message"]


async def test_web_ocpi_by_date_tells_what_changed_since(town: WatchedTown) -> None:
    """A pull from the newest instant on holds the station of the pile that failed, no other."""
    first, body = await ask(town, LOCATIONS)
    locations = json.loads(body)["data"]
    newest = max(datetime.fromisoformat(location["last_updated"]) for location in locations)
    since = (newest + timedelta(seconds=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    while datetime.now(UTC) <= newest + timedelta(seconds=1):
        await asyncio.sleep(0.1)
    await town.see(["B-1*1"], BROKEN)
    await fresh(town, LOCATIONS, first.headers["etag"])
    _, body = await ask(town, f"{LOCATIONS}?date_from={since}")
    (location,) = json.loads(body)["data"]

    assert location["id"] == "B"
    assert location["evses"][0]["status"] == "OUTOFORDER"


async def test_web_ocpi_gives_one_location_evse_or_connector(town: WatchedTown) -> None:
    """Each object of a Location has an address; what is not there is OCPI's 2003."""
    _, body = await ask(town, f"{LOCATIONS}/A")
    location = json.loads(body)["data"]
    uid = location["evses"][0]["uid"]
    one, body = await ask(town, f"{LOCATIONS}/A/{uid}")
    plug_id = json.loads(body)["data"]["connectors"][0]["id"]
    _, plug = await ask(town, f"{LOCATIONS}/A/{uid}/{plug_id}")
    again, _ = await ask(town, f"{LOCATIONS}/A/{uid}", if_none_match=one.headers["etag"])
    missing, told = await ask(town, f"{LOCATIONS}/A/none")

    assert json.loads(body)["data"] == location["evses"][0]
    assert json.loads(plug)["data"] == location["evses"][0]["connectors"][0]
    assert again.status == 304
    assert (missing.status, json.loads(told)["status_code"]) == (404, 2003)


async def test_web_ocpi_tariffs_are_pulled(town: WatchedTown) -> None:
    """A tariff that was put is on the list, under the tag of another list than before."""
    path = "/v1/export/ocpi/tariffs"
    before, body = await ask(town, path)
    tariff = tariff_message(Tariff("T1", "CNY", (TariffElement("ENERGY", 1.2),)))
    await town.operator.PutTariffs(op.PutTariffsRequest(tariffs=[tariff]), timeout=10)
    _, after = await fresh(town, path, before.headers["etag"])

    assert json.loads(body)["data"] == []
    (told,) = json.loads(after)["data"]
    assert told["id"] == "T1"
    components: list[dict[str, Any]] = told["elements"][0]["price_components"]
    assert components == [{"type": "ENERGY", "price": 1.2, "step_size": 1}]
