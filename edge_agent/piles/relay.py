"""A relay between a pile and the operator's own central system; our link reads along.

While the operator's system is connected it answers the pile; while it is away we do, and keep what
must arrive. Transaction messages are durable before they are answered, always, and go up in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
from collections.abc import Callable
from typing import Any, Final, NoReturn

import structlog
from websockets.exceptions import ConnectionClosed

from edge_agent.core.ocpp_frame import CALL_RESULT, call_error
from edge_agent.core.ocpp_relay import (
    BOOT,
    START,
    STATUS,
    Kind,
    kind_of,
    renamed,
    result_text,
    transaction_numbers,
    verdict_in,
    with_transaction,
    with_verdict,
)
from edge_agent.core.ocpp_relay_guard import refusal
from edge_agent.errors import QueueFull
from edge_agent.piles.port import Station, StationConnection
from edge_agent.piles.relay_figures import REFUSED, ROOM, RelayFigures
from edge_agent.piles.relay_greeting import Greeting
from edge_agent.piles.relay_policy import OfflinePolicy
from edge_agent.piles.relay_queue import UpQueue
from edge_agent.piles.relay_session import Message, PileCall, RelaySession
from edge_agent.piles.relay_store import RelayStore
from edge_agent.piles.relay_upstream import Upstream, UpstreamGone, UpstreamSettings

log: Final = structlog.get_logger("edge_agent.relay")
# A fresh connection upstream gets so long before the pile's first frame is answered here.
HOLD_S: Final = 3.0
CALLS_DOWN: Final = 64
RETRY_S: Final = 1.0
REMOTE_STOP: Final = "RemoteStopTransaction"
CHANGE_REFUSED: Final = "UPSTREAM_CHANGE_REFUSED"
CHANGE_HINT: Final = "the pile's password and server are the agent's; change upstream_password_file"

Alarm = Callable[[str, str, str], None]


class Relay:
    """Stands where its pile would: `serve` is one connection of the pile, `run` never ends."""

    def __init__(
        self,
        identity: str,
        subprotocol: str,
        pile: Station,
        store: RelayStore,
        settings: UpstreamSettings,
        policy: OfflinePolicy,
        alarm: Alarm,
        new_id: Callable[[], str],
        rng: random.Random,
    ) -> None:
        self.identity = identity
        self.upstream = Upstream(identity, settings, self._asked, rng)
        self._subprotocol = subprotocol
        self._pile = pile
        self._store = store
        self._policy = policy
        self._alarm = alarm
        self._queue = UpQueue(identity, store, self.upstream, policy, alarm, new_id)
        self._session: RelaySession | None = None
        self._busy: set[asyncio.Task[None]] = set()
        self._greeting = Greeting(identity, store, self.upstream, new_id)
        self._down: asyncio.Queue[Message] = asyncio.Queue(CALLS_DOWN)
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the operator's system answers the pile."""
        return self._ready

    async def figures(self, pile_id: str, now_ms: int) -> RelayFigures:
        """How it fares; raises `sqlite3.Error`."""
        waiting = await self._store.waiting(self.identity)
        lost = {
            (kind.name.lower(), ROOM): count
            for (identity, kind), count in self._store.given_up.items()
            if identity == self.identity
        }
        lost |= {(k.name.lower(), REFUSED): n for k, n in self._queue.refused.items()}
        age_ms = now_ms - waiting.oldest_at_ms if waiting.messages else 0
        return RelayFigures(
            pile_id,
            self._ready,
            "" if self._ready else self.upstream.trouble or "not connected",
            waiting.messages,
            waiting.size_bytes,
            max(0.0, age_ms / 1000.0),
            lost,
        )

    async def run(self) -> NoReturn:
        """Keeps the operator's system connected while there is a pile or something to deliver."""
        while True:
            self._queue.news.clear()
            try:
                if self._session is None and await self._queue.empty():
                    await self._queue.news.wait()
                else:
                    await self.upstream.talk(self._subprotocol, self._work)
            except sqlite3.Error as error:
                log.error("relay cannot read its queue", identity=self.identity, error=repr(error))
                await asyncio.sleep(RETRY_S)

    async def serve(self, connection: StationConnection) -> None:
        """Talks over one connection of the pile until it ends."""
        session = RelaySession(connection, kind_of)
        self._session = session
        self._subprotocol = connection.subprotocol
        await self._give_upstream_a_chance()
        name = f"edge_agent:relay-{self.identity}"
        tasks = [
            asyncio.create_task(self._pile.serve(session), name=f"{name}-link"),
            asyncio.create_task(session.read(), name=f"{name}-pile"),
            asyncio.create_task(self._lane(session, session.ordered), name=f"{name}-ordered"),
            asyncio.create_task(self._lane(session, session.loose), name=f"{name}-loose"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # The link ends by itself when its connection has.
            if tasks[1].done():
                await asyncio.wait(tasks[:1], timeout=1.0)
        finally:
            if self._session is session:
                self._session = None
                self._queue.news.set()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ConnectionClosed):
                raise error

    async def _give_upstream_a_chance(self) -> None:
        """Lets the first frames be answered by the operator, if it is not known to be away."""
        if self.upstream.connected or self.upstream.trouble:
            self._queue.news.set()
            return
        self.upstream.tried.clear()
        self._queue.news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD_S):
                await self.upstream.tried.wait()

    # -- what the pile says ----------------------------------------------------------------------

    async def _lane(self, session: RelaySession, calls: asyncio.Queue[PileCall]) -> None:
        while True:
            call = await calls.get()
            try:
                answer = await self._answer(call)
            except (sqlite3.Error, QueueFull, TimeoutError) as error:
                # Not answered as done: the pile keeps it and sends it again.
                log.error("call not taken", identity=self.identity, error=repr(error))
                answer = call_error(call.frame.unique_id, "InternalError", "try again")
            await session.reply(answer)

    async def _answer(self, call: PileCall) -> str:
        action, payload = call.frame.action, call.payload
        kind = kind_of(action, payload)
        if kind is not None:
            return await self._answer_kept(call, kind)
        if action == BOOT:
            await self._store.keep_boot(self.identity, payload)
        elif action == STATUS:
            self._greeting.keep_status(payload)
        passed = await self._pass_up(call)
        return passed or await self._answer_here(call)

    async def _pass_up(self, call: PileCall) -> str | None:
        """The operator's answer, or None where there was none."""
        boot = call.frame.action == BOOT
        if not self._ready and not (boot and self.upstream.connected):
            return None
        if boot:
            self._greeting.passed = True
        try:
            answer = await self.upstream.call(call.frame.unique_id, call.frame.action, call.payload)
        except UpstreamGone:
            return None
        if answer[0] == CALL_RESULT:
            await self._policy.learn(verdict_in(call.payload, answer[2]))
            if boot and answer[2].get("status") == "Accepted":
                await self._greeting.accept()
        return renamed(answer, call.frame.unique_id)

    async def _answer_here(self, call: PileCall) -> str:
        return renamed(await self._own(call), call.frame.unique_id)

    async def _own(self, call: PileCall) -> Message:
        """Our link's answer, with the driver judged by the policy for times without operator."""
        own = await call.own_answer()
        if own[0] == CALL_RESULT:
            accepted = await self._policy.accepts(call.payload)
            own[2] = with_verdict(call.payload, own[2], accepted)
        return own

    async def _answer_kept(self, call: PileCall, kind: Kind) -> str:
        own = await self._own(call)
        unique_id = call.frame.unique_id
        if own[0] != CALL_RESULT:
            # Our link did not understand it; perhaps the operator's system does.
            return await self._pass_up(call) or renamed(own, unique_id)
        number = own[2].get("transactionId") if call.frame.action == START else None
        answer = await self._queue.put(
            call.frame.action, call.payload, kind, number, live=lambda: self._ready
        )
        return renamed(own, unique_id) if answer is None else result_text(unique_id, answer)

    # -- what the operator's system says ---------------------------------------------------------

    def _asked(self, frame: Message) -> None:
        try:
            self._down.put_nowait(frame)
        except asyncio.QueueFull:
            log.warning("operator's system asks too much at once", identity=self.identity)
            busy = call_error(frame[1], "GenericError", "too many calls at once, ask again")
            task = asyncio.create_task(
                self.upstream.send(busy), name=f"edge_agent:relay-{self.identity}-busy"
            )
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)

    async def _pass_down(self) -> NoReturn:
        while True:
            _, unique_id, action, payload = await self._down.get()
            await self.upstream.send(await self._ask_pile(unique_id, action, payload))

    async def _ask_pile(self, unique_id: str, action: str, payload: dict[str, Any]) -> str:
        session = self._session
        if session is None:
            return call_error(unique_id, "GenericError", "the charge point is not connected")
        answer = refusal(action, payload)
        if answer is not None:
            self._alarm(self.identity, CHANGE_REFUSED, f"{action}: {CHANGE_HINT}")
            return result_text(unique_id, answer)
        numbers = {
            number: await self._store.local_number(self.identity, number)
            for number in transaction_numbers(payload)
        }
        if action == REMOTE_STOP and await self._is_another(numbers):
            return result_text(unique_id, {"status": "Rejected"})
        mapped = with_transaction(payload, lambda n: n if (m := numbers.get(n)) is None else m)
        try:
            return json.dumps(await session.ask(unique_id, action, mapped), separators=(",", ":"))
        except TimeoutError:
            return call_error(unique_id, "GenericError", "the charge point did not answer")
        except ConnectionClosed:
            return call_error(unique_id, "GenericError", "the charge point went away")

    async def _is_another(self, numbers: dict[int, int | None]) -> bool:
        """Whether a number that the operator never gave is one of ours, for another transaction."""
        for theirs, ours in numbers.items():
            if ours is None and (await self._store.upstream_number(self.identity, theirs))[0]:
                return True
        return False

    # -- one connection upstream -----------------------------------------------------------------

    async def _work(self) -> None:
        self._greeting.begin()
        while not self._down.empty():
            self._down.get_nowait()
        name = f"edge_agent:relay-{self.identity}-down"
        down = asyncio.create_task(self._pass_down(), name=name)
        try:
            await self._greeting.say(self._session)
            self._ready = True
            self.upstream.settled()
            log.info("operator's system answers", identity=self.identity)
            await self._queue.pump(lambda: self._session)
        finally:
            self._ready = False
            self._queue.release()
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)
