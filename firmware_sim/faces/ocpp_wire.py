"""A websocket as the `ocpp` package wants it, with the wire and frame faults that are present.

What a fault makes of a frame is in `ocpp_spoil.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection

from firmware_sim.core.ocpp_faults import ANSWERS, CALLS, FRAMES
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_spoil import (
    CALL,
    Outgoing,
    spoiled_answer,
    spoiled_frame,
    stray_answer,
)

_SEND_TIMEOUT_S = 10.0
_FRAGMENT_CHARACTERS = 16
_TRICKLES = 8
_REMEMBERED_CALLS = 64


class Link:
    """One connection; `fault` says which wire fault is present now, `habits` which others."""

    def __init__(
        self, socket: ClientConnection, fault: Callable[[], WireFault | None], habits: Habits
    ) -> None:
        self._socket = socket
        self._fault = fault
        self._habits = habits
        self._asked: OrderedDict[str, str] = OrderedDict()
        self._id_before = ""
        self._late: set[asyncio.Task[None]] = set()

    async def recv(self) -> str:
        """The next frame; frames that arrive while the wire is silent are gone."""
        while True:
            frame = await self._socket.recv()
            if not self._is_silent():
                text = frame if isinstance(frame, str) else frame.decode(errors="replace")
                self._remember(text)
                return text

    async def send(self, frame: str) -> None:
        """Sends a frame, or what the faults leave of it."""
        fault = self._fault()
        if self._is_silent():
            return
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        if not self._habits.present:
            await self._put(Outgoing(frame))
            return
        for outgoing in self._spoil(frame):
            if outgoing.wait_s:
                # Not from here: whoever answers late still listens.
                task = asyncio.create_task(self._later(outgoing), name="firmware_sim:late answer")
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            else:
                await self._put(outgoing)

    def drop(self) -> None:
        """Loses the connection. Aborted and not closed: a pulled cable sends no farewell."""
        for task in self._late:
            task.cancel()
        self._socket.transport.abort()

    def _is_silent(self) -> bool:
        fault = self._fault()
        return (fault is not None and fault.kind == "silent") or "half_open" in self._habits

    def _remember(self, text: str) -> None:
        """Notes what a call asks for, so that faults of its answer can be told apart."""
        if not text.startswith("[2"):
            return
        try:
            self._asked[str(json.loads(text)[1])] = str(json.loads(text)[2])
        except (ValueError, LookupError):
            return
        if len(self._asked) > _REMEMBERED_CALLS:
            self._asked.popitem(last=False)

    def _spoil(self, frame: str) -> list[Outgoing]:
        message: list[Any] = json.loads(frame)
        if message[0] != CALL:
            action = self._asked.pop(message[1], "")
            answers = spoiled_answer(frame, self._habits.meet(ANSWERS, action))
        else:
            action = message[2]
            answers = [Outgoing(frame)]
        calls = self._habits.meet(CALLS, action) if message[0] == CALL else []
        out = [Outgoing(stray_answer()) for f in calls if f.kind == "stray_answer"]
        present = [f for f in calls if f.kind != "stray_answer"]
        for answer in answers:
            faults = present + self._habits.meet(FRAMES, action)
            told = spoiled_frame(answer.text, faults, self._id_before)
            out.append(Outgoing(told.text, told.manner, answer.wait_s, told.over_s))
        self._id_before = message[1]
        return out

    async def _later(self, outgoing: Outgoing) -> None:
        await asyncio.sleep(outgoing.wait_s)
        await self._put(outgoing)

    async def _put(self, outgoing: Outgoing) -> None:
        async with asyncio.timeout(_SEND_TIMEOUT_S + outgoing.over_s):
            match outgoing.manner:
                case "whole":
                    await self._socket.send(outgoing.text)
                case "binary":
                    await self._socket.send(outgoing.text.encode())
                case "fragments":
                    await self._socket.send(_pieces(outgoing.text))
                case "slow":
                    await self._socket.send(_pieces(outgoing.text, outgoing.over_s))
                case "half":
                    await self._socket.send(_half(outgoing.text, self.drop))
                case "drop":
                    self.drop()
                case "swallow":
                    return


async def _pieces(text: str, over_s: float = 0.0) -> AsyncIterator[str]:
    size = _FRAGMENT_CHARACTERS if not over_s else max(len(text) // _TRICKLES, 1)
    for start in range(0, len(text), size):
        if start and over_s:
            await asyncio.sleep(over_s / _TRICKLES)
        yield text[start : start + size]


async def _half(text: str, drop: Callable[[], None]) -> AsyncIterator[str]:
    """Says the first half and is gone; what had been sent must have left before."""
    yield text[: len(text) // 2]
    await asyncio.sleep(0)
    drop()
