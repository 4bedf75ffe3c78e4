"""The reporter against a small real EdgeService that acks only what is durable."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from durable_edge_service import DurableEdgeService
from structlog.testing import capture_logs

from edge_agent.core.clock import DomainClock
from edge_agent.core.directive import Action, Answer, Outcome
from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.reading import (
    Detail,
    EvseStatus,
    Record,
    RecordKind,
    StatusSource,
    Values,
)
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as types

EVSE = "A-01*1"
FACTS = PileFacts("A-01", "A", (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 11.0),))
START_MS = 1_790_000_000_000


class Hands:
    """A performer that does what it is told, or says that it cannot."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Action]] = []
        self.answer = Answer(Outcome.DONE, "Accepted")

    async def perform(self, evse_id: str, action: Action) -> Answer:
        self.done.append((evse_id, action))
        return self.answer


@dataclass
class Agent:
    """Spool and reporter of an agent; `stop` leaves the files, as a kill would."""

    spool: Spool
    reporter: Reporter
    desk: DirectiveDesk
    hands: Hands
    task: asyncio.Task[None]
    clock_ms: list[int]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.spool.close()


StartAgent = Callable[..., Awaitable[Agent]]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DurableEdgeService]:
    made = DurableEdgeService(tmp_path / "coordinator.db")
    await made.start()
    yield made
    await made.crash()


@pytest.fixture
async def start(tmp_path: Path, service: DurableEdgeService) -> AsyncIterator[StartAgent]:
    running: list[Agent] = []

    async def begin(folder: str = "agent", **changes: object) -> Agent:
        names = iter(range(1, 1000))
        prefix = f"spool-{len(running)}"
        spool = Spool(tmp_path / folder, lambda: f"{prefix}-{next(names)}")
        await spool.start()
        hands = Hands()
        clock_ms = [START_MS]
        desk = DirectiveDesk(spool, hands, lambda: clock_ms[0], lambda evse_id: evse_id == EVSE)
        settings = LinkSettings(
            agent_id="G1",
            coordinator=f"127.0.0.1:{service.port}",
            clock=DomainClock(START_MS, 0.0),
            limits=BatchLimits(records=50, linger_s=0.02),
            backoff_base_s=0.02,
            backoff_cap_s=0.1,
        )
        settings = replace(settings, **changes)  # type: ignore[arg-type]
        reporter = Reporter(
            settings, spool, desk, lambda: [FACTS], lambda: clock_ms[0], random.Random(1)
        )
        task: asyncio.Task[None] = asyncio.create_task(reporter.run(), name="test:uplink")
        agent = Agent(spool, reporter, desk, hands, task, clock_ms)
        running.append(agent)
        return agent

    yield begin
    for agent in running:
        if not agent.task.done():
            await agent.stop()


def meter(number: int) -> Record:
    return Record(
        EVSE,
        RecordKind.METER,
        START_MS + number,
        EvseStatus.CHARGING,
        StatusSource.MODBUS,
        values=Values(power_kw=float(number)),
    )


def fault() -> Record:
    return replace(meter(0), kind=RecordKind.FAULT, detail=Detail(fault_code="CX003"), urgent=True)


def numbers(service: DurableEdgeService, spool_id: str) -> list[int]:
    return [row[1] for row in service.rows(f"spool_id='{spool_id}'")]


def instants(service: DurableEdgeService) -> list[int]:
    return sorted(row[4] - START_MS for row in service.rows())


async def depth(agent: Agent) -> int:
    return await agent.spool.call(lambda file: file.numbers.depth())


async def test_records_arrive_in_order_and_are_forgotten(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """What was offered is stored under gapless numbers, and the spool is empty afterwards."""
    agent = await start()

    agent.spool.offer([meter(i) for i in range(120)])
    await service.until(lambda: len(service.rows()) == 120)
    await service.until(lambda: agent.reporter.acked == 120)

    spool_id = service.hellos[0].spool_id
    assert numbers(service, spool_id) == list(range(1, 121))
    assert max(batch.record_count for batch in service.batches) <= 50
    assert await depth(agent) == 0


async def test_hello_tells_who_the_agent_is(service: DurableEdgeService, start: StartAgent) -> None:
    """The first message carries identity, inventory, spool, next number and fences."""
    service.floors = {EVSE: 7}
    agent = await start()
    await service.until(lambda: agent.reporter.connected)

    hello = service.hellos[0]
    assert (hello.agent_id, hello.next_record_seq) == ("G1", 1)
    assert hello.piles[0].evses[0].evse_id == EVSE
    assert await agent.desk.floors() == {EVSE: 7}


async def test_fault_closes_its_batch_at_once(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """A fault does not linger: it arrives long before the batch would have closed by time."""
    agent = await start(limits=BatchLimits(linger_s=60.0))
    await service.until(lambda: agent.reporter.connected)
    agent.spool.offer([meter(1), fault()])

    await service.until(lambda: len(service.rows()) == 2, 5.0)

    assert service.batches[0].details[0].fault_code == "CX003"


@pytest.mark.slow
async def test_lost_acks_and_crashes_lose_nothing_and_double_nothing(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """Coordinator and agent crash in turn while records flow; each is stored exactly once."""
    agent = await start()
    sent = 0
    for round_number in range(6):
        service.answer_acks = round_number % 2 == 0
        fresh = [meter(sent + i) for i in range(130)]
        sent += len(fresh)
        await agent.spool.commit(fresh)
        wanted = round_number + 1
        await service.until(lambda wanted=wanted: len(service.batches) >= wanted)
        if round_number % 2:
            await agent.stop()
            agent = await start()
        else:
            await service.crash()
            await service.start(service.port)
    service.answer_acks = True

    await agent.spool.commit([fault()])
    await service.until(lambda: len(service.rows()) == sent + 1)

    assert instants(service) == sorted([*range(sent), 0])
    assert service.stored(service.hellos[-1].spool_id).acked_through == sent + 1


async def test_live_records_overtake_history(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """After an outage a fault arrives before the backlog, and the backlog follows whole."""
    agent = await start()
    await service.until(lambda: agent.reporter.connected)
    await service.crash()
    await agent.spool.commit([meter(i) for i in range(1, 1001)])
    service.credit = 1
    await service.start(service.port)
    await service.until(lambda: len(service.hellos) > 1 and len(service.rows()) > 0)

    await agent.spool.commit([fault()])
    await service.until(lambda: len(service.rows()) == 1001)

    arrival = {row[1]: row[6] for row in service.rows()}
    assert arrival[1001] < 900
    assert sorted(arrival) == list(range(1, 1002))


async def test_resume_sends_only_what_is_missing(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """After a reconnect the agent does not send again what Welcome says is stored."""
    agent = await start()
    service.answer_acks = False
    await agent.spool.commit([meter(i) for i in range(40)])
    await service.until(lambda: len(service.rows()) == 40)
    await service.crash()
    service.batches.clear()
    service.answer_acks = True
    await service.start(service.port)

    await agent.spool.commit([meter(99)])
    await service.until(lambda: len(service.rows()) == 41)

    assert [batch.first_record_seq for batch in service.batches] == [41]
    assert await depth(agent) <= 1


async def test_too_large_batch_is_halved(service: DurableEdgeService, start: StartAgent) -> None:
    """RESOURCE_EXHAUSTED makes batches smaller until they pass."""
    service.max_rows = 10
    agent = await start()

    await agent.spool.commit([meter(i) for i in range(60)])
    await service.until(lambda: len(service.rows()) == 60)

    assert max(batch.record_count for batch in service.batches) <= 10


async def test_go_away_is_obeyed(service: DurableEdgeService, start: StartAgent) -> None:
    """GoAway closes the stream, and the agent is back after the pause."""
    agent = await start()
    await service.until(lambda: agent.reporter.connected)

    goodbye = edge.GoAway(resume_after_s=0.05, reason="restart")
    service.down.put_nowait(edge.ConnectResponse(go_away=goodbye))
    await service.until(lambda: len(service.hellos) == 2)

    await service.until(lambda: agent.reporter.connected)


async def test_nobody_listening_is_one_warning_a_try(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """Without a coordinator each try logs one line that says where, why and when again."""
    await service.crash()
    with capture_logs() as logs:
        agent = await start()
        await until(lambda: len(logs) >= 4)

    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("warning", "coordinator not reachable")
    ] * len(logs)
    assert {(line["target"], line["code"]) for line in logs} == {
        (f"127.0.0.1:{service.port}", "UNAVAILABLE")
    }
    assert all(0.0 <= line["next_try_s"] <= 0.1 for line in logs)
    assert not agent.reporter.connected


async def test_coordinator_that_dies_is_one_warning_a_try(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """A coordinator killed under a live stream is not reachable, and nothing worse is logged."""
    agent = await start()
    await service.until(lambda: agent.reporter.connected)

    with capture_logs() as logs:
        agent.spool.offer([meter(i) for i in range(200)])
        await service.crash()
        await until(lambda: len(logs) >= 4)

    assert {line["event"] for line in logs} == {"coordinator not reachable"}
    assert {line["log_level"] for line in logs} == {"warning"}


@pytest.mark.slow
async def test_two_gateways_with_one_id_stop_displacing_each_other(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """Displaced three times within a minute, the agent says why once and waits the whole cap."""
    goodbye = edge.GoAway(resume_after_s=0.0, reason="DISPLACED")
    with capture_logs() as logs:
        agent = await start(backoff_cap_s=30.0)
        for count in range(1, 4):
            await service.until(lambda count=count: len(service.hellos) == count)
            await service.until(lambda: agent.reporter.connected)
            service.down.put_nowait(edge.ConnectResponse(go_away=goodbye))
            await until(lambda count=count: len(pauses(logs)) == count)

    quarrels = [line for line in logs if line["event"] == "another gateway uses this agent id"]
    assert [(line["log_level"], line["agent_id"]) for line in quarrels] == [("warning", "G1")]
    assert [pause >= 30.0 for pause in pauses(logs)] == [False, False, True]


def pauses(logs: Sequence[MutableMapping[str, Any]]) -> list[float]:
    return [line["next_try_s"] for line in logs if line["event"] == "coordinator says go away"]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_other_clock_is_refused(service: DurableEdgeService, start: StartAgent) -> None:
    """An agent at speed 60 sends no record to a coordinator at speed 1."""
    service.clock = types.DomainClock(epoch_at_ms=START_MS, anchor_s=0.0, speed=1.0)
    agent = await start(clock=DomainClock(START_MS, 0.0, 60.0))

    await agent.spool.commit([fault()])
    await service.until(lambda: len(service.hellos) >= 2)

    assert not service.batches
    assert not agent.reporter.connected


async def test_emptied_spool_is_a_new_one_and_says_what_is_lost(
    service: DurableEdgeService, start: StartAgent, tmp_path: Path
) -> None:
    """S5: a database that was removed is noticed; the old numbers go up as a gap."""
    agent = await start()
    await agent.spool.commit([meter(i) for i in range(5)])
    await service.until(lambda: len(service.rows()) == 5)
    await agent.stop()
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        (tmp_path / "agent" / name).unlink(missing_ok=True)

    agent = await start()
    await agent.spool.commit([meter(7)])
    await service.until(lambda: len(service.rows()) == 6)

    old, new = service.hellos[0].spool_id, service.hellos[-1].spool_id
    assert old != new
    assert numbers(service, new) == [1]
    await service.until(
        lambda: [g[3] for g in service.db.execute("SELECT * FROM gap").fetchall()] == ["STORE_LOST"]
    )


async def test_rolled_back_folder_begins_a_new_spool(
    service: DurableEdgeService, start: StartAgent, tmp_path: Path
) -> None:
    """S11: numbers that the coordinator has from a life that is gone are never used again."""
    agent = await start()
    await agent.spool.commit([meter(1)])
    await service.until(lambda: agent.reporter.acked == 1)
    await agent.stop()
    old = {path: path.read_bytes() for path in (tmp_path / "agent").iterdir()}
    agent = await start()
    await agent.spool.commit([meter(2), meter(3)])
    await service.until(lambda: agent.reporter.acked == 2)
    await agent.stop()
    for path, content in old.items():
        path.write_bytes(content)

    agent = await start()
    await agent.spool.commit([meter(4)])
    await service.until(lambda: len(service.rows()) == 4)

    assert instants(service) == [1, 2, 3, 4]
    assert service.hellos[-1].spool_id != service.hellos[0].spool_id


def reserve(directive_id: str, fence: int, claim: str = "c1", token: str = "T") -> edge.Directive:
    return edge.Directive(
        directive_id=directive_id,
        evse_id=EVSE,
        fence=fence,
        reserve=edge.Reserve(claim_id=claim, duration_s=60.0, id_token=token),
    )


async def ask(service: DurableEdgeService, directive: edge.Directive) -> edge.DirectiveResult:
    count = len(service.results)
    service.down.put_nowait(edge.ConnectResponse(directive=directive))
    await service.until(lambda: len(service.results) > count)
    return service.results[-1]


async def test_fences_are_kept_through_a_restart(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """A directive with a lower fence is refused, also by the agent's next life."""
    agent = await start()
    first = await ask(service, reserve("d1", 5))
    await agent.stop()
    agent = await start()

    lower = await ask(service, reserve("d2", 4))
    equal = await ask(service, reserve("d3", 5))

    assert first.outcome == edge.DIRECTIVE_OUTCOME_DONE
    assert lower.outcome == edge.DIRECTIVE_OUTCOME_FENCED
    assert equal.outcome == edge.DIRECTIVE_OUTCOME_DONE
    assert [name for name, _ in agent.hands.done] == [EVSE]


async def test_pile_that_cannot_reserve_is_held_softly(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """Without ReserveNow, or without a token, the agent keeps the EVSE alone and says so."""
    agent = await start()
    agent.hands.answer = Answer(Outcome.UNSUPPORTED, "NotImplemented")

    unable = await ask(service, reserve("d1", 1))
    no_token = await ask(service, reserve("d2", 2, "c2", ""))
    hold = agent.desk.hold(EVSE)
    agent.clock_ms[0] += 61_000

    assert unable.outcome == no_token.outcome == edge.DIRECTIVE_OUTCOME_DONE_SOFTLY
    assert hold is not None
    assert hold.claim_id == "c2"
    assert agent.desk.hold(EVSE) is None


async def test_cancel_names_its_claim(service: DurableEdgeService, start: StartAgent) -> None:
    """A cancel for another claim changes nothing; the right one frees the EVSE."""
    agent = await start()
    await ask(service, reserve("d1", 1))

    def cancel(directive_id: str, fence: int, claim: str) -> edge.Directive:
        return edge.Directive(
            directive_id=directive_id,
            evse_id=EVSE,
            fence=fence,
            cancel=edge.Cancel(claim_id=claim),
        )

    foreign = await ask(service, cancel("d2", 2, "c9"))
    own = await ask(service, cancel("d3", 3, "c1"))

    assert foreign.outcome == edge.DIRECTIVE_OUTCOME_REFUSED
    assert own.outcome == edge.DIRECTIVE_OUTCOME_DONE
    assert agent.desk.hold(EVSE) is None


async def test_repeated_directive_is_done_once(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """The same directive id again is answered from memory."""
    agent = await start()

    first = await ask(service, reserve("d1", 1))
    again = await ask(service, reserve("d1", 1))

    assert first == again
    assert len(agent.hands.done) == 1


async def test_unknown_directive_is_unsupported(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """What this agent was not built for is answered, not ignored."""
    await start()

    answer = await ask(
        service,
        edge.Directive(directive_id="d1"),
    )

    assert answer.outcome == edge.DIRECTIVE_OUTCOME_UNSUPPORTED


@pytest.mark.slow
async def test_silent_coordinator_is_left_and_tried_again(
    service: DurableEdgeService, start: StartAgent
) -> None:
    """A stream without any sign of life is given up, and beats go up meanwhile."""
    agent = await start(beat_s=0.05, dead_s=0.5)

    await service.until(lambda: len(service.hellos) >= 2)

    assert service.beats > 1
    assert agent.reporter is not None


async def test_changed_facts_go_up(service: DurableEdgeService, start: StartAgent) -> None:
    """A pile that introduced itself is told as an inventory update."""
    agent = await start()
    await service.until(lambda: agent.reporter.connected)

    agent.reporter.inventory_changed(replace(FACTS, firmware="2.0"))
    await service.until(lambda: service.inventories)  # type: ignore[arg-type,return-value]

    assert service.inventories[0].piles[0].firmware == "2.0"
