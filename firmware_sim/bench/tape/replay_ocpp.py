"""A charge point that says what it said on a tape, and compares what it is told.

Transaction numbers are the central system's: those of the tape are replaced by those of now.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from firmware_sim.bench.tape.differences import Differences, compared
from firmware_sim.bench.tape.tape import Entry

_CALL, _RESULT, _ERROR = 2, 3, 4
_TIMEOUT_S = 10.0
_ANSWER_S = 5.0
# So much of a tape waits for a pile whose central system is slow.
_MOST_WAITING = 256
_LOST = (OSError, TimeoutError, WebSocketException)


class RecordedChargePoint:
    """One OCPP pile of a tape, dialling `central` under its own path."""

    def __init__(self, pile: str, central: str, differences: Differences) -> None:
        self.pile = pile
        self.sent = 0
        self.asked = 0
        self._central = central.rstrip("/")
        self._differences = differences
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        # What the tape's central system answered, and what today's did, by id.
        self._recorded: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._calls: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        # Questions of the tape's central system that today's has not asked yet, by action.
        self._expected: dict[str, int] = {}
        self._questions: dict[str, str] = {}
        self._answers: dict[str, Any] = {}
        self._heard = asyncio.Event()
        self._coming: asyncio.Queue[Entry | None] = asyncio.Queue(_MOST_WAITING)
        self._worker: asyncio.Task[None] | None = None

    async def play(self, entry: Entry) -> None:
        """Takes what the tape says next; it is done in turn, beside the other piles."""
        if self._worker is None:
            name = f"firmware_sim:replay {self.pile}"
            self._worker = asyncio.create_task(self._work(), name=name)
        await self._coming.put(entry)

    async def _work(self) -> None:
        while (entry := await self._coming.get()) is not None:
            await self._do(entry)

    async def _do(self, entry: Entry) -> None:
        if entry.way == "event":
            await self._event(entry.data)
            return
        try:
            frame = json.loads(entry.data)
            kind, unique_id = frame[0], str(frame[1])
        except (ValueError, LookupError, TypeError):
            await self._send(entry.data)
            return
        if entry.way == "from_pile" and kind == _CALL:
            await self._answered()
            self._calls[unique_id] = str(frame[2])
            frame[3] = self._renumbered(frame[3])
            await self._send(json.dumps(frame))
        elif entry.way == "from_pile":
            self._answers[self._questions.pop(unique_id, "")] = frame[2:]
        elif kind == _CALL:
            action = str(frame[2])
            self._questions[unique_id] = action
            self._expected[action] = self._expected.get(action, 0) + 1
        else:
            self._recorded[unique_id] = frame
            self._compare(unique_id)

    async def close(self) -> None:
        """Hangs up and tells what today's central system never said."""
        if self._worker is not None:
            await self._coming.put(None)
            await self._worker
        await self._hang_up()
        for unique_id in self._recorded.keys() - self._seen.keys():
            action = self._calls.get(unique_id, "?")
            self._differences.add("ocpp", f"{self.pile}: {action} was not answered")
        for action, count in self._expected.items():
            if count > 0:
                text = f"{self.pile}: {action} was asked {count} times more on the tape"
                self._differences.add("ocpp", text)

    async def _event(self, data: str) -> None:
        if not data.startswith("open"):
            await self._hang_up()
            return
        _, subprotocol, path = data.split(" ", 2)
        await self._hang_up()
        try:
            self._socket = await connect(
                self._central + path,
                subprotocols=None if subprotocol == "-" else [Subprotocol(subprotocol)],
                open_timeout=_TIMEOUT_S,
                compression=None,
                ping_interval=None,
                proxy=None,
            )
        except _LOST as error:
            self._differences.add("ocpp", f"{self.pile}: not let in at {path}: {error}")
            return
        self._reader = asyncio.create_task(self._listen(self._socket))

    async def _hang_up(self) -> None:
        if self._socket is None:
            return
        await self._answered()
        with suppress(*_LOST):
            await self._socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        self._socket = self._reader = None

    async def _answered(self) -> None:
        """Waits for the answers that the tape has had by now: a pile says one thing at a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                while self._socket is not None and self._recorded:
                    self._heard.clear()
                    await self._heard.wait()

    async def _send(self, text: str) -> None:
        self.sent += 1
        if self._socket is None:
            self._differences.add("ocpp", f"{self.pile}: nobody to send to: {text[:80]}")
            return
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            self._differences.add("ocpp", f"{self.pile}: the connection was closed on it")
            self._socket = None

    async def _listen(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in socket:
                try:
                    frame = json.loads(text)
                    kind, unique_id = frame[0], str(frame[1])
                except (ValueError, LookupError, TypeError):
                    self._differences.add("ocpp", f"{self.pile}: no frame: {text[:80]!r}")
                    continue
                if kind == _CALL:
                    await self._answer(socket, unique_id, str(frame[2]))
                else:
                    self._seen[unique_id] = frame
                    self._compare(unique_id)
                    self._heard.set()

    async def _answer(self, socket: ClientConnection, unique_id: str, action: str) -> None:
        self.asked += 1
        if self._expected.get(action, 0) > 0:
            self._expected[action] -= 1
        else:
            text = f"{self.pile}: {action} is asked, which the tape does not have here"
            self._differences.add("ocpp", text)
        known = self._answers.get(action)
        reply: list[Any] = [_ERROR, unique_id, "NotSupported", "not on the tape", {}]
        if known is not None:
            kind = _RESULT if len(known) == 1 else _ERROR
            reply = [kind, unique_id, *known]
        await socket.send(json.dumps(reply))

    def _compare(self, unique_id: str) -> None:
        recorded, seen = self._recorded.get(unique_id), self._seen.get(unique_id)
        if recorded is None or seen is None:
            return
        action = self._calls.pop(unique_id, "?")
        del self._recorded[unique_id], self._seen[unique_id]
        if recorded[0] != seen[0]:
            words = {_RESULT: "an answer", _ERROR: "an error"}
            text = f"recorded {words.get(recorded[0])}, now {words.get(seen[0])} {seen[2]}"
            self._differences.add("ocpp", f"{self.pile} {action}: {text}")
            return
        then, now = recorded[2], seen[2]
        if action == "StartTransaction" and isinstance(then, dict) and isinstance(now, dict):
            number, known = now.get("transactionId"), then.get("transactionId")
            if isinstance(number, int) and isinstance(known, int):
                self._numbers[known] = number
        for difference in compared(then, now):
            self._differences.add("ocpp", f"{self.pile} {action}: {difference}")

    def _renumbered(self, payload: Any) -> Any:
        number = payload.get("transactionId") if isinstance(payload, dict) else None
        if isinstance(number, int) and number in self._numbers:
            return {**payload, "transactionId": self._numbers[number]}
        return payload
