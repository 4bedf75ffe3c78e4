"""One connection of a pile with a relay in it: the pile's link hears every frame, and its answers
and calls pass through here. What goes up and what is answered belongs to `relay.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from edge_agent.core.ocpp_frame import CALL, Frame, inspect
from edge_agent.core.ocpp_relay import Kind, call_text
from edge_agent.piles.port import StationConnection

# A call that the pile never answers holds the line for so long; the link gives up after 10 s.
TURN_S: Final = 15.0
OWN_ANSWER_S: Final = 30.0
LANE_CALLS: Final = 64

Message = list[Any]
KindOf = Callable[[str, Mapping[str, Any]], Kind | None]


@dataclass(frozen=True, slots=True)
class PileCall:
    """A CALL of the pile, and what our own link answers to it (as text)."""

    frame: Frame
    payload: dict[str, Any]
    own: asyncio.Future[str]

    async def own_answer(self) -> Message:
        """The link's answer; raises TimeoutError."""
        async with asyncio.timeout(OWN_ANSWER_S):
            return list(json.loads(await self.own))


class Turns:
    """One CALL towards the pile at a time; who asks next waits in line."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._current: tuple[str, asyncio.Future[str] | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, unique_id: str, answer: asyncio.Future[str] | None) -> None:
        """Returns when it is this call's turn; `answer` is None for calls of the link."""
        await self._lock.acquire()
        self._current = (unique_id, answer)
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self.settle, unique_id)

    def settle(self, unique_id: str) -> tuple[str, asyncio.Future[str] | None] | None:
        """Ends the turn of a call; None for an answer that nobody waits for any more."""
        if self._current is None or self._current[0] != unique_id:
            return None
        ended, self._current = self._current, None
        if self._timer is not None:
            self._timer.cancel()
        self._lock.release()
        return ended

    def fail(self, error: ConnectionClosed) -> None:
        """Takes that the connection ended: the call in its turn gets no answer."""
        ended = self.settle(self._current[0]) if self._current else None
        if ended is not None and ended[1] is not None and not ended[1].done():
            ended[1].set_exception(error)


class RelaySession:
    """A `StationConnection` for the link. Calls of the pile lie in `ordered` (what must arrive,
    which `kind_of` tells) or `loose`; `introduced` is set with the first of them.
    """

    def __init__(self, connection: StationConnection, kind_of: KindOf) -> None:
        self.ordered: asyncio.Queue[PileCall] = asyncio.Queue(LANE_CALLS)
        self.loose: asyncio.Queue[PileCall] = asyncio.Queue(LANE_CALLS)
        self.introduced = asyncio.Event()
        self._connection = connection
        self._kind_of = kind_of
        self._to_link: asyncio.Queue[str | ConnectionClosed] = asyncio.Queue()
        self._own: dict[str, asyncio.Future[str]] = {}
        self._turns = Turns()

    @property
    def subprotocol(self) -> str:
        """The version that the pile speaks."""
        return self._connection.subprotocol

    @property
    def remote_address(self) -> Any:
        """Address and port of the pile."""
        return self._connection.remote_address

    async def recv(self) -> str:
        """The next frame for the link."""
        item = await self._to_link.get()
        if isinstance(item, ConnectionClosed):
            self._to_link.put_nowait(item)
            raise item
        return item

    async def send(self, text: str) -> None:
        """Takes a frame of the link: its calls go to the pile in turn, its answers wait here."""
        frame = inspect(text.encode())
        if not isinstance(frame, Frame):
            return
        if frame.kind == CALL:
            await self._turns.take(frame.unique_id, None)
            await self._connection.send(text)
            return
        own = self._own.pop(frame.unique_id, None)
        if own is not None and not own.done():
            own.set_result(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Hangs up on the pile."""
        await self._connection.close(code, reason)

    async def reply(self, text: str) -> None:
        """Answers a call of the pile."""
        await self._connection.send(text)

    async def ask(self, unique_id: str, action: str, payload: dict[str, Any]) -> Message:
        """The pile's answer to a call that is not the link's; raises TimeoutError."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._turns.take(unique_id, answer)
        try:
            await self._connection.send(call_text(unique_id, action, payload))
            async with asyncio.timeout(TURN_S):
                return list(json.loads(await answer))
        finally:
            self._turns.settle(unique_id)

    async def read(self) -> None:
        """Takes frames of the pile until the connection ends, which raises `ConnectionClosed`."""
        try:
            while True:
                await self._take(await self._connection.recv())
        except ConnectionClosed as error:
            self._to_link.put_nowait(error)
            self._turns.fail(error)
            raise

    async def _take(self, text: str) -> None:
        frame = inspect(text.encode())
        assert isinstance(frame, Frame)  # broken ones end at the socket
        if frame.kind != CALL:
            ended = self._turns.settle(frame.unique_id)
            if ended is None:
                return
            if ended[1] is None:
                self._to_link.put_nowait(text)
            elif not ended[1].done():
                ended[1].set_result(text)
            return
        payload = json.loads(text)[3]
        own: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._own[frame.unique_id] = own
        self._to_link.put_nowait(text)
        self.introduced.set()
        must_arrive = self._kind_of(frame.action, payload) is not None
        lane = self.ordered if must_arrive else self.loose
        # A full lane stops the reading, and so the pile.
        await lane.put(PileCall(frame, payload, own))
