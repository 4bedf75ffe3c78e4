"""The operator's page of a real coordinator over real HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from coordinator_process import CoordinatorProcess
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
TOKEN = "a token that nobody guesses".replace(" ", "-")


def configured(folder: Path) -> CoordinatorProcess:
    """A coordinator with a page and one token, not started."""
    tokens = folder / "tokens"
    tokens.write_text(f"anna {TOKEN}\n")
    tokens.chmod(0o600)
    process = CoordinatorProcess(folder)
    with process.config.open("a") as file:
        file.write(f'[web]\nlisten = "127.0.0.1:0"\ntoken_file = "{tokens}"\n')
    return process


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = configured(tmp_path)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A page that no test changes, for all of them."""
    folder = tmp_path_factory.mktemp("resting")
    command = [sys.executable, "-m", "coordinator", "-c", str(configured(folder).config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield Site(json.loads(process.stdout.readline())["web"])
        process.terminate()
        assert process.wait(30) == 0


class Site:
    """The page as a client without a browser asks it; each question over its own connection."""

    def __init__(self, url: str) -> None:
        self.netloc = urlsplit(url).netloc

    def ask(
        self, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """The answer and its body; underscores in header names are dashes."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            given.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection(self.netloc, timeout=20)
        try:
            connection.request(method, path, sent, given)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def events(self, path: str = "/api/stream", **headers: str) -> Iterator[dict[str, str]]:
        """The events of a stream as they come."""
        connection = http.client.HTTPConnection(self.netloc, timeout=20)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=given)
        response = connection.getresponse()
        assert response.status == 200
        event: dict[str, str] = {}
        while line := response.readline():
            text = line.decode().rstrip("\r\n")
            if text:
                name, _, value = text.partition(": ")
                event[name] = value
            elif event:
                yield event
                event = {}


@pytest.fixture
def site(served: CoordinatorProcess) -> Site:
    return Site(served.ready["web"])


async def test_web_every_answer_forbids_what_the_page_does_not_need(resting: Site) -> None:
    """Page, file, data and refusal alike: scripts of our own only, no framing, no sniffing."""

    def look() -> list[tuple[int, str, str]]:
        told = []
        for path in ("/", "/static/leaflet/leaflet.js", "/api/snapshot", "/nowhere"):
            response, _ = resting.ask(path)
            policy = response.headers["content-security-policy"]
            told.append((response.status, policy, response.headers["x-content-type-options"]))
        return told

    told = await asyncio.to_thread(look)

    assert [status for status, _, _ in told] == [200, 200, 200, 404]
    for _, policy, sniff in told:
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert sniff == "nosniff"


@pytest.mark.parametrize(("address", "own"), [("/", "main.js"), ("/drive", "drive/main.js")])
async def test_web_page_comes_whole(resting: Site, address: str, own: str) -> None:
    """What a page names is there, nothing of its frame is left open, and its script is its own."""
    _, body = await asyncio.to_thread(resting.ask, address)
    page = body.decode()
    named = re.findall(r'(?:href|src)="(/[^"]*)"', page)

    assert "$" not in page
    assert f"/static/js/{own}" in named
    for path in set(named):
        response, _ = await asyncio.to_thread(resting.ask, path)
        assert response.status == 200, path


async def test_web_asked_by_a_foreign_name_answers_nothing(resting: Site) -> None:
    """A host name that leads here by a trick is refused, so no other site can read us."""
    response, body = await asyncio.to_thread(resting.ask, "/api/snapshot", host="evil.example")

    assert response.status == 421
    assert json.loads(body)["error"]["code"] == "WEB-005"
    assert b"stations" not in body


async def test_web_files_are_sent_once(resting: Site) -> None:
    """A browser that has a file is told so instead of being sent it."""

    def twice() -> tuple[int, int, bytes]:
        first, _ = resting.ask("/static/leaflet/leaflet.js")
        again, body = resting.ask("/static/leaflet/leaflet.js", if_none_match=first.headers["etag"])
        return first.status, again.status, body

    assert await asyncio.to_thread(twice) == (200, 304, b"")


@pytest.mark.parametrize("path", ["/static/../config.py", "/static/%2e%2e/config.py", "/static/"])
async def test_web_serves_nothing_beside_its_files(resting: Site, path: str) -> None:
    """No path leads out of the folder of static files."""
    response, body = await asyncio.to_thread(resting.ask, path)

    assert response.status == 404
    assert b"import" not in body


async def test_web_stream_tells_the_whole_then_changes_and_replays(
    served: CoordinatorProcess, site: Site
) -> None:
    """A tab sees a pile fail; one that comes back by its last id is told only what came after."""
    events = site.events()

    def until(kind: str) -> dict[str, str]:
        return next(event for event in events if event.get("event") == kind)

    async with WireAgent(served.address, piles=[pile("P1")]) as agent:
        whole = await asyncio.to_thread(until, "snapshot")
        await agent.report(batch("spool-1", 1, ["P1*1"], [nouns.EVSE_STATUS_OUTOFORDER]))
        failed: dict[str, Any] = {}
        while not failed.get("faults", {}).get("total"):
            change = await asyncio.to_thread(until, "change")
            failed = json.loads(change["data"])

        def come_back() -> list[str]:
            again = site.events(last_event_id=whole["id"])
            kinds = [next(again).get("event", "")]
            while kinds[-1] != "change":
                kinds.append(next(again).get("event", ""))
            return kinds

        kinds = await asyncio.to_thread(come_back)

    assert failed["faults"]["worst"][0]["evse"] == "P1*1"
    assert [station["state"] for station in failed["stations"]] == ["broken"]
    assert failed["as_of_s"] > 0
    assert "snapshot" not in kinds


async def test_web_faults_say_what_usually_flows_there(
    served: CoordinatorProcess, site: Site
) -> None:
    """A pile that charged a day through and broke loses the power of a session all the time."""
    steps = 100  # 15 min apart: more than a day
    history = batch(
        "spool-1", 1, ["P1*1"] * (steps + 1),
        [nouns.EVSE_STATUS_CHARGING] * steps + [nouns.EVSE_STATUS_OUTOFORDER],
    )  # fmt: skip
    now_ms = history.observed_at_ms[-1]
    history.observed_at_ms[:] = [now_ms - (steps - n) * 890_000 for n in range(steps + 1)]

    async with WireAgent(served.address, piles=[pile("P1")]) as agent:
        await agent.report(history)
        _, body = await asyncio.to_thread(site.ask, "/api/snapshot")

    (fault,) = json.loads(body)["faults"]["worst"]
    assert fault["evse"] == "P1*1"
    assert fault["usual_kw"] > 10
    assert fault["since_s"] == round(now_ms / 1000)


async def test_web_stream_ends_with_a_reason_when_the_coordinator_stops(
    served: CoordinatorProcess, site: Site
) -> None:
    """Every tab is told SHUTDOWN, and the process ends in order and in time."""
    events = site.events()
    await asyncio.to_thread(next, events)
    code = await served.stop()
    last = await asyncio.to_thread(lambda: list(events)[-1])

    assert (last["event"], json.loads(last["data"])) == ("end", {"reason": "SHUTDOWN"})
    assert code == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "WEB-001"),
        ({"authorization": "Bearer wrong"}, 401, "WEB-002"),
        ({"authorization": f"Basic {TOKEN}"}, 401, "WEB-001"),
        ({"authorization": f"Bearer {TOKEN}", "origin": "http://evil.example"}, 403, "WEB-006"),
        ({"authorization": f"Bearer {TOKEN}", "sec_fetch_site": "cross-site"}, 403, "WEB-006"),
    ],
)
async def test_web_lets_nobody_act_without_a_token_of_the_file(
    resting: Site, headers: dict[str, str], status: int, code: str
) -> None:
    """No token, a wrong one, or a right one sent by another site's page: refused by code."""
    response, body = await asyncio.to_thread(
        lambda: resting.ask("/api/session", "POST", {}, **headers)
    )

    assert (response.status, json.loads(body)["error"]["code"]) == (status, code)


async def test_web_knows_whose_token_it_is_until_it_is_withdrawn(
    served: CoordinatorProcess, site: Site
) -> None:
    """The holder is named; a token taken out of the file opens nothing, without a restart."""

    def ask() -> tuple[int, dict[str, Any]]:
        answer, body = site.ask("/api/session", "POST", {}, authorization=f"Bearer {TOKEN}")
        return answer.status, json.loads(body)

    before = await asyncio.to_thread(ask)
    (served.folder / "tokens").write_text("bo another-token-that-is-long\n")
    after = await asyncio.to_thread(ask)

    assert before == (200, {"name": "anna"})
    assert after[0] == 401


async def test_web_many_wrong_tokens_close_the_gate(site: Site) -> None:
    """After ten guesses in a minute even the right token waits."""

    def guess() -> list[int]:
        told = []
        for number in range(11):
            answer, _ = site.ask("/api/session", "POST", {}, authorization=f"Bearer no-{number}")
            told.append(answer.status)
        right, _ = site.ask("/api/session", "POST", {}, authorization=f"Bearer {TOKEN}")
        return [*told, right.status]

    assert await asyncio.to_thread(guess) == [401] * 10 + [429, 429]
