"""`EdgeService`: one long stream an agent, readings up, acks and directives down.

Each stream has two tasks. The reader takes messages as raw bytes (the store keeps them) and hands
batches to ingest; the sender writes what the link has to say, several acks melted into one.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc
import structlog

from coordinator.clock import Clock
from coordinator.core.pile import Pile
from coordinator.errors import (
    AgentDoubled,
    ClockMismatch,
    FieldFault,
    FieldInvalid,
    ProtocolBroken,
)
from coordinator.rpc import edge_codec
from coordinator.rpc.batch_codec import WireCodec, to_batch
from coordinator.rpc.directive_codec import from_directive, to_result
from coordinator.rpc.edge_enrolment import EdgeEnrolment
from coordinator.rpc.limits import LIMITS
from coordinator.rpc.noun_codec import check_id, pile_faults, seconds, timestamp, to_pile
from coordinator.rpc.packed import batch_payload
from coordinator.rpc.peer import agent_identity
from coordinator.rpc.server import Context, GuardedServer
from coordinator.usecases.agent_register import AgentRegister
from coordinator.usecases.events import Events
from coordinator.usecases.fences import Fences
from coordinator.usecases.ingest import CREDIT, Ingest
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.links import AgentLinks, Link
from coordinator.usecases.refusals import MessageTooLarge, ReaderTooSlow
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc, types_pb2

log = structlog.get_logger()

PROTOCOL_MINOR = 1
TELEMETRY_LIMIT = LIMITS.batch_bytes
HELLO_TIMEOUT_S = 10.0
BEAT_S = 20.0
SILENCE_S = 60.0
WRITE_TIMEOUT_S = LIMITS.write_s
PILE_LIMIT = 2_000
# A peer that is shut out has so long to hear why.
GOODBYE_S = 0.3


class EdgeServicer(EdgeEnrolment):
    """Serves `Connect`; how agents come to their certificates is in `edge_enrolment.py`."""

    def __init__(
        self,
        district_id: str,
        clock: Clock,
        inventory: Inventory,
        ingest: Ingest,
        links: AgentLinks,
        fences: Fences,
        events: Events,
        register: AgentRegister,
    ) -> None:
        self._district_id = district_id
        self._clock = clock
        self._inventory = inventory
        self._ingest = ingest
        self._links = links
        self._fences = fences
        self._events = events
        self._register = register

    async def Connect(  # type: ignore[override]  # noqa: N802 - reads and writes by its context
        self, requests: Any, context: Context
    ) -> None:
        """Runs one stream until either side ends it."""
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            raw = await context.read()
        if raw is grpc.aio.EOF:
            return
        message = edge_codec.parse(raw)
        if message.WhichOneof("message") != "hello":
            raise ProtocolBroken("hello as the first message", str(message.WhichOneof("message")))
        peer = context.peer() or ""
        self._register.admit(agent_identity(context), message.hello.agent_id[:64], peer)
        link = await self._greet(message.hello, peer)
        await context.write(self._welcome(message.hello))
        displaced = self._links.admit(link)
        self._tell(link, "displaced" if displaced else "connected")
        try:
            await self._converse(link, context)
        finally:
            if self._links.dismiss(link):
                self._tell(link, "disconnected")

    async def _converse(self, link: Link, context: Context) -> None:
        """Reads and writes until one of the two ends, then ends the other."""
        reader = asyncio.create_task(
            self._read(link, context), name=f"coordinator:read {link.agent_id}"
        )
        sender = asyncio.create_task(
            self._send(link, context), name=f"coordinator:send {link.agent_id}"
        )
        cut = asyncio.create_task(_cut(link), name=f"coordinator:cut {link.agent_id}")
        halves = (reader, sender, cut)
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in halves:
                task.cancel()
            ended = await asyncio.gather(*halves, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _greet(self, hello: edge.Hello, peer: str) -> Link:
        """The link of an agent whose hello is in order; its piles are known afterwards."""
        faults = [*check_id(hello.agent_id, "agent_id"), *check_id(hello.spool_id, "spool_id")]
        if len(hello.piles) > PILE_LIMIT:
            faults.append(FieldFault("piles", f"has more than {PILE_LIMIT} entries"))
        if faults:
            raise FieldInvalid(*faults)
        if hello.HasField("clock"):
            theirs = Clock(hello.clock.epoch_at_ms, hello.clock.anchor_s, hello.clock.speed)
        else:
            theirs = Clock()
        if not self._clock.agrees_with(theirs):
            raise ClockMismatch(hello.agent_id, str(theirs), str(self._clock))
        self._ingest.spool(hello.spool_id, hello.agent_id)
        await self._refuse_rival(hello, peer)
        await self._introduce(hello.agent_id, hello.piles)
        for floor in hello.fence_floors:
            if self._inventory.speaker_of(floor.evse_id) == hello.agent_id:
                self._fences.hear(floor.evse_id, floor.fence, hello.agent_id)
        skew = seconds(hello.sent_at) - self._clock.system_s() if hello.HasField("sent_at") else 0.0
        return Link(
            hello.agent_id,
            spool_id=hello.spool_id,
            peer=peer,
            software_version=hello.software_version[:64],
            clock_skew_s=skew,
            last_heard_link_s=self._clock.link_s(),
        )

    async def _refuse_rival(self, hello: edge.Hello, peer: str) -> None:
        """Raises `AgentDoubled`, and alarms, while another gateway uses this agent id."""
        rival = await self._links.rival(hello.agent_id, hello.spool_id)
        if rival is None:
            return
        text = f"agent id {hello.agent_id} is used by two gateways: {rival.peer} and {peer}"
        log.error("agent id used twice", agent_id=hello.agent_id, present=rival.peer, refused=peer)
        facts = {"what": "doubled", "agent_id": hello.agent_id, "refused": peer}
        self._events.add("SECURITY", text, facts=facts)
        raise AgentDoubled(hello.agent_id, rival.peer)

    async def _introduce(self, agent_id: str, piles: Any) -> None:
        """Takes the agent's piles in; one with wrong facts is left out and said."""
        good: list[Pile] = []
        for facts in piles:
            faults = list(pile_faults(facts, "piles"))
            if not faults:
                good.append(to_pile(facts))
                continue
            text = "; ".join(f"{fault.field} {fault.message}" for fault in faults[:4])
            log.warning("pile left out", agent_id=agent_id, pile_id=facts.pile_id[:64], why=text)
            what = {"what": "bad_pile", "agent_id": agent_id}
            self._events.add("AGENT", f"agent {agent_id}: pile left out: {text}", facts=what)
        await self._inventory.introduce(agent_id, good)

    def _welcome(self, hello: edge.Hello) -> edge.ConnectResponse:
        settled = self._ingest.spool(hello.spool_id, hello.agent_id).settled
        evse_ids = [evse.evse_id for pile in hello.piles for evse in pile.evses]
        floors = {evse_id: self._fences.floor(evse_id) for evse_id in evse_ids}
        return edge.ConnectResponse(
            welcome=edge.Welcome(
                protocol_minor=PROTOCOL_MINOR,
                district_id=self._district_id,
                server_time=timestamp(self._clock.system_s()),
                credit=CREDIT,
                stored=edge_codec.from_ranges(settled),
                fence_floors=[
                    types_pb2.FenceFloor(evse_id=evse_id, fence=fence)
                    for evse_id, fence in floors.items()
                    if fence
                ],
                clock=types_pb2.DomainClock(
                    epoch_at_ms=self._clock.epoch_at_ms,
                    anchor_s=self._clock.anchor_s,
                    speed=self._clock.speed,
                ),
            )
        )

    async def _read(self, link: Link, context: Context) -> None:
        """Takes messages until the agent ends the stream."""
        codec = WireCodec()
        while (raw := await context.read()) is not grpc.aio.EOF:
            link.last_heard_link_s = self._clock.link_s()
            if len(raw) > TELEMETRY_LIMIT:
                raise MessageTooLarge("ConnectRequest", len(raw), TELEMETRY_LIMIT)
            payload = batch_payload(raw)
            if payload is not None:
                await self._ingest.offer(link, codec.read(payload))
                continue
            message = edge_codec.parse(raw)
            match message.WhichOneof("message"):
                case "batch":
                    await self._ingest.offer(link, to_batch(message.batch))
                case "beat":
                    link.spool_depth = message.beat.spool_depth
                case "directive_result":
                    self._links.answered(link.agent_id, to_result(message.directive_result))
                case "inventory":
                    await self._introduce(link.agent_id, message.inventory.piles)
                case "hello":
                    raise ProtocolBroken("one hello a stream", "a second one")

    async def _send(self, link: Link, context: Context) -> None:
        """Writes what the link has to say until it must close; then says goodbye."""
        watch = asyncio.create_task(self._watch(link), name=f"coordinator:beat {link.agent_id}")
        try:
            while not link.closing:
                await link.wake.wait()
                link.wake.clear()
                for message in self._messages(link):
                    await _write(context, message)
            goodbye = edge.GoAway(resume_after_s=link.resume_after_s, reason=link.closing)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await context.write(edge.ConnectResponse(go_away=goodbye))
        finally:
            watch.cancel()

    def _messages(self, link: Link) -> list[edge.ConnectResponse]:
        """Everything that waits to be said, taken from the link."""
        acks, link.acks = link.acks, {}
        directives, link.directives = link.directives, []
        messages = [
            edge_codec.from_ack(
                spool_id, self._ingest.spool(spool_id, link.agent_id).settled, refusals, CREDIT
            )
            for spool_id, refusals in acks.items()
        ]
        messages += [edge.ConnectResponse(directive=from_directive(d)) for d in directives]
        if link.beat_due:
            link.beat_due = False
            at_ms = int(self._clock.now_s() * 1000)
            messages.append(edge.ConnectResponse(beat=edge.Beat(domain_at_ms=at_ms)))
        return messages

    async def _watch(self, link: Link) -> None:
        """Has a beat sent in time, and closes a stream that fell silent."""
        while not link.closing:
            await asyncio.sleep(BEAT_S)
            if self._clock.link_s() - link.last_heard_link_s > SILENCE_S:
                link.close("SILENT")
            link.beat_due = True
            link.wake.set()

    def _tell(self, link: Link, what: str) -> None:
        log.info(f"agent {what}", agent_id=link.agent_id)
        facts = {"what": what, "agent_id": link.agent_id}
        self._events.add("AGENT", f"agent {link.agent_id} {what}", facts=facts)


async def _write(context: Context, message: edge.ConnectResponse) -> None:
    """Writes one message; raises `ReaderTooSlow` where the agent takes none."""
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await context.write(message)
    except TimeoutError as error:
        raise ReaderTooSlow(WRITE_TIMEOUT_S) from error


async def _cut(link: Link) -> None:
    """Returns once the link must end, goodbye or not."""
    await link.severed.wait()
    await asyncio.sleep(GOODBYE_S)


def add_edge_servicer(servicer: EdgeServicer, guarded: GuardedServer) -> None:
    """Serves `EdgeService`."""
    add = edge_service_pb2_grpc.add_EdgeServiceServicer_to_server
    guarded.serve(add, servicer, raw=("Connect",))
