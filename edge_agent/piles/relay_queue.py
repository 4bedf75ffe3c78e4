"""What must arrive on its way up: durable, in order, each message settled once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog
from websockets.exceptions import ConnectionClosed

from edge_agent.core.ocpp_frame import CALL_RESULT, OCPP16
from edge_agent.core.ocpp_relay import (
    START,
    Kind,
    message_key,
    transaction_numbers,
    verdict_in,
    with_transaction,
)
from edge_agent.piles.relay_policy import OfflinePolicy
from edge_agent.piles.relay_session import RelaySession
from edge_agent.piles.relay_store import Fresh, Queued, RelayStore
from edge_agent.piles.relay_upstream import Upstream

log: Final = structlog.get_logger("edge_agent.relay")
# OCPP's TransactionMessageAttempts and TransactionMessageRetryInterval.
ATTEMPTS: Final = 3
RETRY_S: Final = 10.0
UNDELIVERABLE: Final = "UPSTREAM_REFUSED"
ROOM_ENDED: Final = "UPSTREAM_QUEUE_FULL"
_UNKNOWN_THERE: Final = frozenset({"NotImplemented", "NotSupported"})

Alarm = Callable[[str, str, str], None]
Payload = dict[str, Any]


class UpQueue:
    """The queue of one pile. `news` is set when there is something to look at.

    `refused` counts what the operator's system would not have, by kind.
    """

    def __init__(
        self,
        identity: str,
        store: RelayStore,
        upstream: Upstream,
        policy: OfflinePolicy,
        alarm: Alarm,
        new_id: Callable[[], str],
        retry_s: float = RETRY_S,
    ) -> None:
        self.news = asyncio.Event()
        self.refused: Counter[Kind] = Counter()
        self._identity = identity
        self._store = store
        self._upstream = upstream
        self._policy = policy
        self._alarm = alarm
        self._new_id = new_id
        self._retry_s = retry_s
        self._live: dict[int, asyncio.Future[Payload | None]] = {}
        self._refusals: dict[int, int] = {}
        self._full_told = False
        self._unknown_told: set[str] = set()
        self._stops: set[asyncio.Task[None]] = set()

    async def empty(self) -> bool:
        """True where nothing waits."""
        return await self._store.head(self._identity) is None

    async def put(
        self,
        action: str,
        payload: Payload,
        kind: Kind,
        number: int | None,
        *,
        live: Callable[[], bool],
    ) -> Payload | None:
        """Makes a message durable; the operator's answer if it comes at once, else None.

        `live`, whether the operator's system is there, is asked once the message is durable: it
        may have gone meanwhile. Behind a backlog, and for a repetition, no answer comes.
        Raises `QueueFull`, and nothing was kept.
        """
        key = message_key(action, payload)
        fresh = Fresh(self._identity, key, self._new_id(), action, payload, kind, number)
        lost = self._store.given_up.total()
        try:
            kept = await self._store.put(fresh)
        finally:
            if self._store.given_up.total() > lost:
                self._tell_full()
        if kept is None:
            return None
        seq, alone = kept
        if not alone or not live():
            self.news.set()
            return None
        answer: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
        self._live[seq] = answer
        self.news.set()
        try:
            async with asyncio.timeout(self._upstream.settings.call_timeout_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._live.pop(seq, None)

    def release(self) -> None:
        """Lets those go who wait for an answer of the operator: it is away."""
        for answer in self._live.values():
            if not answer.done():
                answer.set_result(None)

    async def pump(self, session: Callable[[], RelaySession | None]) -> None:
        """Delivers message after message; returns when all is told and the pile has gone."""
        while True:
            self.news.clear()
            message = await self._store.head(self._identity)
            if message is not None:
                await self._deliver(message, session)
                continue
            self._full_told = False
            if session() is None:
                return
            await self.news.wait()

    async def _deliver(self, message: Queued, session: Callable[[], RelaySession | None]) -> None:
        payload = await self._for_upstream(message)
        if payload is None:
            await self._give_up(message, "its start was refused")
            return
        answer = await self._upstream.call(message.message_id, message.action, payload)
        if answer[0] != CALL_RESULT:
            await self._refused(message, answer[2], answer[3] if len(answer) > 3 else "")
            return
        told: Payload = answer[2]
        number = told.get("transactionId") if message.action == START else None
        await self._store.settle(self._identity, message, number)
        verdict = verdict_in(message.payload, told)
        await self._policy.learn(verdict)
        self._refusals.pop(message.seq, None)
        live = self._live.get(message.seq)
        if live is not None and not live.done():
            mine = {"transactionId": message.local_id} if number is not None else {}
            live.set_result({**told, **mine})
        elif verdict is not None and not verdict.accepted:
            self._stop(message, session())

    async def _for_upstream(self, message: Queued) -> Payload | None:
        """The payload with the operator's transaction ids; None where it never gave one."""
        numbers: dict[int, int] = {}
        for local_id in transaction_numbers(message.payload):
            ours, theirs = await self._store.upstream_number(self._identity, local_id)
            if ours and theirs is None:
                return None
            numbers[local_id] = local_id if theirs is None else theirs
        return with_transaction(message.payload, numbers.__getitem__)

    async def _refused(self, message: Queued, code: str, text: str) -> None:
        if message.kind is Kind.NOTICE and code in _UNKNOWN_THERE:
            # A system without that message will not learn it by being asked again.
            await self._not_known(message)
            return
        tries = self._refusals.get(message.seq, 0) + 1
        self._refusals[message.seq] = tries
        self._let_go(message)
        if tries >= ATTEMPTS:
            await self._give_up(message, f"{code}: {text}")
        else:
            await asyncio.sleep(self._retry_s * tries)

    async def _not_known(self, message: Queued) -> None:
        if message.action not in self._unknown_told:
            self._unknown_told.add(message.action)
            log.warning(
                "operator's system does not know a message",
                identity=self._identity,
                action=message.action,
            )
        self.refused[message.kind] += 1
        await self._store.settle(self._identity, message)
        self._let_go(message)

    def _let_go(self, message: Queued) -> None:
        live = self._live.get(message.seq)
        if live is not None and not live.done():
            live.set_result(None)

    def _tell_full(self) -> None:
        """Told once until the queue was empty again."""
        if self._full_told:
            return
        self._full_told = True
        text = "too much waits for the operator's system: samples within sessions are thinned"
        log.error("queue to the operator's system is full", identity=self._identity)
        self._alarm(self._identity, ROOM_ENDED, text)

    async def _give_up(self, message: Queued, why: str) -> None:
        text = f"{message.action} could not be delivered to the operator's system: {why}"
        log.error("message given up", identity=self._identity, action=message.action, why=why)
        self._alarm(self._identity, UNDELIVERABLE, text)
        self._refusals.pop(message.seq, None)
        self.refused[message.kind] += 1
        await self._store.settle(self._identity, message)

    def _stop(self, message: Queued, session: RelaySession | None) -> None:
        """A driver whom we let on, and whom the operator does not want, is stopped."""
        if session is None:
            return
        if session.subprotocol == OCPP16 and message.local_id is not None:
            action, payload = "RemoteStopTransaction", {"transactionId": message.local_id}
        elif "transactionInfo" in message.payload:
            info = message.payload["transactionInfo"]
            action, payload = "RequestStopTransaction", {"transactionId": info["transactionId"]}
        else:
            return

        async def ask() -> None:
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                await session.ask(self._new_id(), action, payload)

        task = asyncio.create_task(ask(), name=f"edge_agent:relay-{self._identity}-stop")
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)
