"""The stream to the coordinator: hello, batches up, acks and directives down, reconnect.

What goes into a batch belongs to `lanes.py`, what a directive does to `directives.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NoReturn

import grpc
import structlog

from edge_agent.core.directive import Directive, Result
from edge_agent.core.facts import PileFacts
from edge_agent.core.flow import Flow
from edge_agent.errors import LinkError, SpoolError
from edge_agent.uplink import codec
from edge_agent.uplink.certificate import explained
from edge_agent.uplink.channel import LinkSettings, open_channel
from edge_agent.uplink.credentials import Redial, credentials_of
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.greeting import Renewing, checked_welcome, skew_of, utc_ms
from edge_agent.uplink.lanes import BatchLimits, Lanes
from edge_agent.uplink.pace import Pace
from edge_agent.uplink.refusals import Refusals
from edge_agent.uplink.spool import Spool
from edge_agent.uplink.stream_end import Goodbye, needs_human, raise_end, tell_end, tell_goodbye
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1.edge_service_pb2_grpc import EdgeServiceStub

log: Final = structlog.get_logger("edge_agent.uplink")


class Reporter:
    """Keeps one stream to the coordinator for as long as it runs.

    `now_ms` is domain time, `facts` the present inventory. `connected`, `acked` (numbers settled),
    `refusals` and `skew_s` (coordinator's system time minus ours) are there to be looked at.
    """

    def __init__(
        self,
        settings: LinkSettings,
        spool: Spool,
        desk: DirectiveDesk,
        facts: Callable[[], list[PileFacts]],
        now_ms: Callable[[], int],
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._desk = desk
        self._facts = facts
        self._now_ms = now_ms
        self.credentials = credentials_of(settings)
        self._pace = Pace(settings, rng or random.Random())
        self.hurry = self._pace.hurry
        self._flow = Flow(settings.limits.records)
        self._up: deque[edge.ConnectRequest] = deque(maxlen=1024)
        self._heard_s = 0.0
        self._welcomed_s = 0.0
        self._telling = ""
        self._renewal: Renewing | None = None
        self.connected = False
        self.connections = 0
        self.acks = 0
        self.acked = 0
        self.refusals = Refusals()
        self.skew_s = 0.0

    def take_renewal(self, renewal: Renewing | None) -> None:
        """Lets the coordinator change the configuration, and hear how that ended."""
        self._renewal = renewal
        if renewal is not None:
            self._desk.configure = renewal.configure

    def inventory_changed(self, facts: PileFacts) -> None:
        """Tells the coordinator of a pile whose facts changed, now or in the next hello."""
        update = edge.InventoryUpdate(piles=[codec.to_facts(facts)])
        self._say(edge.ConnectRequest(inventory=update))

    async def run(self) -> NoReturn:
        """Reports until cancelled; every failure is retried with full-jitter back-off."""
        await self._desk.recall()
        async with asyncio.TaskGroup() as directives:
            directives.create_task(self.credentials.keep(), name="edge_agent:identity")
            if self._renewal is not None:
                directives.create_task(self._renewal.watch(), name="edge_agent:renewal")
            while True:
                self._welcomed_s = time.monotonic()
                failure: Exception | None = None
                try:
                    await self._stream(directives)
                except (Goodbye, grpc.aio.AioRpcError, LinkError, SpoolError, OSError) as error:
                    tls = self.credentials.tls
                    failure = await explained(error, self._settings.coordinator, tls)
                except Exception:
                    log.exception("stream failed unexpectedly")
                asked = isinstance(failure, Goodbye)
                await self._pace.rest(self._pause_s(failure), asked=asked)

    def _pause_s(self, failure: Exception | None) -> float:
        """Says once how the stream ended; gives back the seconds until the next try."""
        now_s = time.monotonic()
        was_connected, self.connected = self.connected, False
        lived_s = now_s - self._welcomed_s if was_connected else 0.0
        if isinstance(failure, Goodbye):
            reason, asked_s = str(failure), failure.resume_after_s
            wait_s = self._pace.after_goodbye_s(reason, asked_s, now_s, lived_s)
            tell_goodbye(reason, wait_s)
            return wait_s
        code = failure.code() if isinstance(failure, grpc.aio.AioRpcError) else None
        if was_connected and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            self._flow.refused()
        wait_s = self._pace.after_failure_s(lived_s, slowly=needs_human(failure))
        if failure is not None:
            tell_end(failure, was_connected, self._settings.coordinator, wait_s)
        return wait_s

    async def _stream(self, directives: asyncio.TaskGroup) -> None:
        """One stream from hello to its end; always ends by raising, or for a fresh hello."""
        tls = await self.credentials.for_next_try()
        async with open_channel(self._settings.coordinator, tls) as channel:
            call: _Call = EdgeServiceStub(channel).Connect()
            try:
                async with asyncio.timeout(self._settings.reply_timeout_s):
                    await self._write(call, await self._hello())
                    welcome = await call.read()
                if welcome is grpc.aio.EOF:
                    await raise_end(call)
                lanes = await self._welcomed(welcome)
                if lanes is not None:
                    with contextlib.suppress(Redial):
                        await self._serve(call, lanes, directives)
            finally:
                call.cancel()

    async def _hello(self) -> edge.ConnectRequest:
        spool_id, following = await self._spool.call(
            lambda file: (file.spool_id, file.next_record_seq)
        )
        floors = await self._desk.floors()
        # Facts that are in the hello need not be told again.
        for message in [m for m in self._up if m.WhichOneof("message") == "inventory"]:
            self._up.remove(message)
        hello = codec.to_hello(
            self._settings.agent_id,
            self._facts(),
            (spool_id, following),
            floors,
            self._settings.clock,
            utc_ms(),
        )
        return edge.ConnectRequest(hello=hello)

    async def _welcomed(self, message: edge.ConnectResponse) -> Lanes | None:
        """The lanes of a good welcome; None where a new spool was begun and has to be announced."""
        welcome = checked_welcome(message, self._settings.clock)
        self.skew_s = skew_of(welcome)
        await self._desk.raise_floors({f.evse_id: f.fence for f in welcome.fence_floors})
        self._flow.begin()
        lanes = Lanes(self._spool, self._limits())
        credit = self._flow.credit(welcome.credit)
        if not await lanes.begin(codec.stored_runs(welcome.stored), credit):
            log.warning("the coordinator knows newer records than this spool: a new spool begins")
            return None
        await self.credentials.welcomed()
        self._heard_s = self._welcomed_s = time.monotonic()
        self.connected = True
        self.connections += 1
        log.info("connected", district_id=welcome.district_id, credit=welcome.credit)
        verdict = await self._renewal.welcomed() if self._renewal is not None else None
        if verdict is not None:
            self._telling = verdict.directive_id
            self._tell(verdict)
        return lanes

    def _limits(self) -> BatchLimits:
        return replace(self._settings.limits, records=self._flow.records)

    async def _serve(self, call: _Call, lanes: Lanes, directives: asyncio.TaskGroup) -> None:
        halves = {
            asyncio.create_task(
                self._listen(call, lanes, directives), name="edge_agent:uplink-down"
            ),
            asyncio.create_task(self._send(call, lanes), name="edge_agent:uplink-up"),
            asyncio.create_task(self.credentials.redial(), name="edge_agent:uplink-anew"),
        }
        # No TaskGroup: in Python 3.11 a child that fails while the group waits leaves the parent
        # marked as cancelled.
        try:
            ended, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
        reasons = [half.exception() for half in ended]
        # Both may fail together; a goodbye outranks a broken pipe.
        raise next((e for e in reasons if isinstance(e, Goodbye)), reasons[0]) or LinkError("ended")

    async def _send(self, call: _Call, lanes: Lanes) -> NoReturn:
        beat_at_s = time.monotonic() + self._settings.beat_s
        while True:
            self._spool.news.clear()
            while self._up:
                await self._write(call, self._up[0])
                self._up.popleft()
            now_s = time.monotonic()
            lanes.limits = self._limits()
            batch = await lanes.take(now_s)
            if batch is not None:
                await self._write(call, edge.ConnectRequest(batch=batch))
                continue
            if now_s >= beat_at_s:
                beat_at_s = now_s + self._settings.beat_s
                await self._beat(call)
            silent_s = max(now_s - self._heard_s, lanes.oldest_flight_s(now_s))
            if silent_s > self._settings.dead_s:
                raise LinkError(f"nothing heard for {silent_s:.0f} s")
            patience_s = lanes.patience_s(now_s)
            pause_s = min(beat_at_s - now_s, 1.0 if patience_s is None else patience_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, pause_s)):
                    await self._spool.news.wait()

    async def _listen(self, call: _Call, lanes: Lanes, directives: asyncio.TaskGroup) -> None:
        while True:
            message = await call.read()
            if message is grpc.aio.EOF:
                await raise_end(call)
            self._heard_s = time.monotonic()
            kind = message.WhichOneof("message")
            if self._telling and not self._up and self._renewal is not None:
                self._telling = ""
                await self._renewal.told()
            if kind == "ack":
                await self._acked(message.ack, lanes)
            elif kind == "directive":
                directive = codec.from_directive(message.directive)
                directives.create_task(
                    self._do(directive), name=f"edge_agent:directive-{directive.directive_id}"
                )
            elif kind == "go_away":
                raise Goodbye(message.go_away.resume_after_s, message.go_away.reason)

    async def _acked(self, ack: edge.Ack, lanes: Lanes) -> None:
        took_s = lanes.oldest_flight_s(time.monotonic())
        credit = self._flow.credit(ack.credit)
        settled = await lanes.settle(ack.spool_id, codec.stored_runs(ack.stored), credit)
        if settled:
            self._flow.acked(took_s)
        self.acks += 1
        self.acked += settled
        self.refusals.take(ack, time.monotonic())
        self._spool.news.set()

    async def _do(self, directive: Directive) -> None:
        try:
            result: Result | None = await self._desk.handle(directive)
        except Exception:
            log.exception("directive failed unexpectedly", directive_id=directive.directive_id)
            return
        if result is not None:
            self._tell(result)

    def _tell(self, result: Result) -> None:
        for message in codec.to_results(result):
            self._say(edge.ConnectRequest(directive_result=message))

    def _say(self, message: edge.ConnectRequest) -> None:
        self._up.append(message)
        self._spool.news.set()

    async def _beat(self, call: _Call) -> None:
        depth = await self._spool.call(lambda file: file.numbers.depth())
        beat = edge.Beat(spool_depth=depth, domain_at_ms=self._now_ms())
        await self._write(call, edge.ConnectRequest(beat=beat))

    async def _write(self, call: _Call, message: edge.ConnectRequest) -> None:
        try:
            async with asyncio.timeout(self._settings.dead_s):
                await call.write(message)
        except asyncio.InvalidStateError:
            await raise_end(call)


_Call = Any  # grpc.aio.StreamStreamCall of the two messages
