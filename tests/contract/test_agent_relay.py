"""The relay between a pile and the operator's own system, with real sockets at both ends."""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from certificates import authority
from relay_site import IDENTITY, Site, until
from websockets.asyncio.server import serve

from edge_agent.core.ocpp_relay import Kind, message_key
from edge_agent.core.reading import RecordKind
from edge_agent.parts import new_id
from edge_agent.piles.ocpp_tls import TlsPaths
from edge_agent.piles.relay_store import Fresh
from edge_agent.piles.relay_upstream import Upstream, UpstreamSettings

NOW = "2026-11-22T10:00:00Z"
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Volt 22"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.open_central()
    await made.start()
    yield made
    await made.close()


def start(meter: int = 0, tag: str = "TAG", connector: int = 1) -> dict[str, Any]:
    return {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": NOW}


def meter(transaction: int, value: int) -> dict[str, Any]:
    sample = {"timestamp": NOW, "sampledValue": [{"value": str(value)}]}
    return {"connectorId": 1, "transactionId": transaction, "meterValue": [sample]}


def stop(transaction: int, value: int) -> dict[str, Any]:
    return {"transactionId": transaction, "meterStop": value, "timestamp": NOW}


def status(word: str, connector: int = 1) -> dict[str, Any]:
    return {"connectorId": connector, "errorCode": "NoError", "status": word}


async def test_operator_answers_while_it_is_connected(site: Site) -> None:
    """Boot, heartbeat and unknown actions get the operator's answers, not ours."""
    site.central.answers["DataTransfer"] = {"status": "Accepted", "data": "from above"}
    site.central.answers["SignCertificate"] = {"status": "Accepted"}
    await site.dial()

    boot = await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    data = await site.pile.call("DataTransfer", {"vendorId": "x"})
    strange = await site.pile.frame("SignCertificate", {"csr": "x"})

    assert boot["interval"] == 300
    assert data["data"] == "from above"
    assert strange[:1] == [3]
    assert site.central.actions().count("BootNotification") == 1
    facts = site.watch.facts()[0]
    assert facts.maker == "Acme"


async def test_identity_and_password_go_up_with_the_connection(site: Site) -> None:
    """The operator's system is dialled with the pile's identity, Basic auth and sub-protocol."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)

    socket = site.central.connections[0]
    assert socket.request is not None
    assert socket.request.path == "/ocpp/site%207/P1"
    proof = b64encode(f"{IDENTITY}:operators-password".encode()).decode()
    assert site.central.headers[0]["Authorization"] == f"Basic {proof}"
    assert socket.subprotocol == "ocpp1.6"


async def test_readings_are_made_of_relayed_frames(site: Site) -> None:
    """What the pile tells the operator becomes our readings and sessions all the same."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()

    await site.pile.call("StatusNotification", status("Charging"))
    told = await site.pile.call("StartTransaction", start(1500))
    await site.pile.call("StopTransaction", stop(told["transactionId"], 2500))

    run = await site.spool.call(lambda file: file.read_run(0, 1 << 62, 500, 1 << 20))
    assert run is not None
    kinds = [record.kind for record in run.records]
    assert RecordKind.STATUS in kinds
    assert RecordKind.SESSION_START in kinds
    assert RecordKind.SESSION_END in kinds


async def test_our_own_calls_never_go_up(site: Site) -> None:
    """What the agent asks of the pile, and what the pile answers to it, stays below."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    await until(lambda: any(action == "TriggerMessage" for action, _ in site.pile.asked))
    answer = await site.central.ask("GetConfiguration", {})

    assert answer == {"status": "Accepted"}
    assert site.central.replies.empty()
    assert "TriggerMessage" not in site.central.actions()


async def test_transaction_ids_are_mapped_both_ways(site: Site) -> None:
    """The pile knows our id, the operator its own; both are right in every message."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    mine = (await site.pile.call("StartTransaction", start()))["transactionId"]
    await site.pile.call("MeterValues", meter(mine, 10))
    theirs = site.central.next_transaction

    await site.central.ask("RemoteStopTransaction", {"transactionId": theirs})
    await site.pile.call("StopTransaction", stop(mine, 20))

    assert mine != theirs
    assert ("RemoteStopTransaction", {"transactionId": mine}) in site.pile.asked
    assert [heard.payload.get("transactionId") for heard in site.delivered()] == [
        None,
        theirs,
        theirs,
    ]


@pytest.mark.slow
async def test_transaction_messages_wait_for_the_operator_in_order(site: Site) -> None:
    """While it is away we answer; on its return boot, statuses and the queue go up, ids mapped."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    await site.central.close()
    await site.until_ready(False)

    mine = (await site.pile.call("StartTransaction", start(tag="NEW")))["transactionId"]
    for value in (10, 20, 30):
        await site.pile.call("MeterValues", meter(mine, value))
    await site.pile.call("StatusNotification", status("Charging"))
    await site.pile.call("StatusNotification", status("SuspendedEV"))
    await site.pile.call("Heartbeat", {})
    await site.pile.call("StopTransaction", stop(mine, 40))
    known = len(site.central.heard)
    await site.open_central()
    await site.until_delivered()

    theirs = site.central.next_transaction
    back = site.central.heard[known:]
    assert [heard.action for heard in back] == [
        "BootNotification",
        "StatusNotification",
        "StartTransaction",
        "MeterValues",
        "MeterValues",
        "MeterValues",
        "StopTransaction",
    ]
    assert back[0].payload == BOOT
    assert back[1].payload["status"] == "SuspendedEV"
    assert [heard.payload.get("transactionId") for heard in back[3:]] == [theirs] * 4


@pytest.mark.slow
async def test_queue_survives_a_restart_of_the_agent(site: Site) -> None:
    """What was answered while the operator was away goes up after a restart, without the pile."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    await site.central.close()
    await site.until_ready(False)
    mine = (await site.pile.call("StartTransaction", start()))["transactionId"]
    await site.pile.call("StopTransaction", stop(mine, 5))
    await site.pile.hang_up()
    await site.stop()
    known = len(site.central.heard)

    await site.open_central()
    await site.start()
    await site.until_delivered()

    back = [heard.action for heard in site.central.heard[known:]]
    assert back == ["BootNotification", "StartTransaction", "StopTransaction"]


@pytest.mark.slow
async def test_repetition_of_the_pile_is_not_sent_twice(site: Site) -> None:
    """A message that the pile sends again gets an answer and goes up once."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    first = await site.pile.call("StartTransaction", start())
    again = await site.pile.call("StartTransaction", start())
    await site.central.close()
    await site.until_ready(False)
    for _ in range(3):
        await site.pile.call("StopTransaction", stop(first["transactionId"], 9))
    await site.open_central()
    await site.until_delivered()

    assert again["transactionId"] == first["transactionId"]
    assert [h.action for h in site.delivered()] == ["StartTransaction", "StopTransaction"]


@pytest.mark.slow
async def test_lost_answer_of_the_operator_repeats_the_same_message_id(site: Site) -> None:
    """What the operator heard and did not answer comes again under its id, so it can be known."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    site.central.answers["StartTransaction"] = "never"
    asked = asyncio.create_task(site.pile.call("StartTransaction", start()), name="test:start")
    await site.central.wait_for("StartTransaction")
    del site.central.answers["StartTransaction"]

    await site.central.close()
    answer = await asked
    await site.open_central()
    await site.until_delivered()

    starts = [h for h in site.central.heard if h.action == "StartTransaction"]
    assert answer["transactionId"] > 0
    assert len(starts) == 2
    assert starts[0].message_id == starts[1].message_id


async def test_late_and_double_answers_of_the_operator_are_harmless(site: Site) -> None:
    """Answers that nobody waits for change nothing."""
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()

    for frame in ([3, "unknown", {}], [3, "p1", {}], [4, "p1", "GenericError", "", {}], ["x"]):
        await site.central.connections[-1].send(json.dumps(frame))
    answer = await site.pile.call("Heartbeat", {})

    assert "currentTime" in answer


async def test_calls_of_both_sides_take_turns_at_the_pile(site: Site) -> None:
    """The operator's calls are passed down one at a time, each with its own answer."""
    site.pile.replies["ChangeAvailability"] = {"status": "Scheduled"}
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    socket = site.central.connections[-1]
    for number in range(5):
        action = "ChangeAvailability" if number % 2 else "ClearCache"
        await socket.send(json.dumps([2, f"u{number}", action, {}]))
    replies = [await asyncio.wait_for(site.central.replies.get(), 60) for _ in range(5)]

    assert [reply[1] for reply in replies] == [f"u{number}" for number in range(5)]
    words = [reply[2]["status"] for reply in replies]
    assert words == ["Accepted", "Scheduled"] * 2 + ["Accepted"]


@pytest.mark.slow
async def test_driver_whom_the_operator_refuses_later_is_stopped(tmp_path: Path) -> None:
    """A transaction that we let begin is ended by RemoteStop when the operator says Invalid."""
    site = Site(tmp_path, policy="accept")
    await site.open_central()
    await site.start()
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    await site.central.close()
    await site.until_ready(False)
    mine = (await site.pile.call("StartTransaction", start()))["transactionId"]
    refused = {"transactionId": 5, "idTagInfo": {"status": "Invalid"}}
    site.central.answers["StartTransaction"] = refused
    await site.open_central()
    await until(lambda: ("RemoteStopTransaction", {"transactionId": mine}) in site.pile.asked)
    await site.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reason", "certificate"),
    [
        ("certificate has expired", {"alt": "IP:127.0.0.1", "end": "20210101000000Z"}),
        ("certificate is not yet valid", {"alt": "IP:127.0.0.1", "start": "20980101000000Z"}),
        ("IP address mismatch", {"alt": "IP:127.0.0.9"}),
        ("unable to get local issuer certificate", {"alt": "IP:127.0.0.1", "foreign": "yes"}),
    ],
)
async def test_T4_bad_certificate_of_the_operator_is_named_and_tried_slowly(
    tmp_path: Path, reason: str, certificate: dict[str, str]
) -> None:
    """The log's reason names what is wrong, and the next try is far away."""
    wanted = authority(tmp_path / "wanted")
    issuer = authority(tmp_path / "other") if certificate.pop("foreign", "") else wanted
    pair = issuer.issue("csms", **certificate)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(pair.cert, pair.key)
    async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0, ssl=shown) as server:
        port = server.sockets[0].getsockname()[1]
        settings = UpstreamSettings(
            f"wss://127.0.0.1:{port}/",
            tls=TlsPaths(ca=wanted.own.cert),
            backoff_base_s=0.01,
            backoff_cap_s=600.0,
        )
        upstream = Upstream("P1", settings, lambda frame: None, random.Random(1))
        trying = asyncio.create_task(upstream.talk("ocpp1.6", asyncio.Event().wait), name="test:up")
        await asyncio.wait_for(upstream.tried.wait(), 60)
        done, _ = await asyncio.wait({trying}, timeout=0.2)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)

    assert reason in upstream.trouble
    assert not done


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_E11_ten_thousand_queued_messages_go_up_in_order(quick_disk: Path) -> None:
    """10,000 messages and their repetitions wait on the disk, then go up in order, each once."""
    site = Site(quick_disk)
    await site.open_central()
    await site.start()
    await site.dial()
    await site.pile.call("BootNotification", BOOT)
    await site.until_ready()
    await site.central.close()
    await site.until_ready(False)
    mine = (await site.pile.call("StartTransaction", start()))["transactionId"]
    before_mib = resident_mib()
    # The first thousand as a pile sends them, every tenth twice; the rest straight into the queue.
    for value in range(1_000):
        for _ in range(1 + (value % 10 == 0)):
            await site.pile.call("MeterValues", meter(mine, value))
    for value in range(1_000, 9_998):
        message = meter(mine, value)
        key = message_key("MeterValues", message)
        fresh = Fresh(IDENTITY, key, new_id(), "MeterValues", message, Kind.SAMPLE)
        await site.store.put(fresh)
    await site.pile.call("StopTransaction", stop(mine, 10_000))
    queued = await site.waiting()
    await site.open_central()
    async with asyncio.timeout(120):
        while await site.waiting():
            await asyncio.sleep(0.1)
    grown_mib = resident_mib() - before_mib

    told = site.delivered()
    values = [
        int(heard.payload["meterValue"][0]["sampledValue"][0]["value"]) for heard in told[1:-1]
    ]
    assert queued == 10_000
    assert [told[0].action, told[-1].action] == ["StartTransaction", "StopTransaction"]
    assert values == list(range(9_998))
    # Most of it is what the central system of this test remembers.
    assert grown_mib < 60
    await site.close()


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the test is about order, not about fsync."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def resident_mib() -> float:
    return psutil.Process().memory_info().rss / 2**20
