"""A central system in the same process: takes every message, keeps a log, can ask things.

It is as plain as a book example; whoever wants a strict one connects a real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from firmware_sim.bench.scenario.memory_line import MemorySocket
from firmware_sim.errors import NotPossibleNowError

_CALL, _RESULT, _ERROR = 2, 3, 4
_HEARTBEAT_S = 300


@dataclass(frozen=True, slots=True)
class Message:
    """One message that a pile sent of its own accord, and when."""

    at_s: float
    pile_id: str
    action: str
    payload: dict[str, Any]
    unique_id: str


@dataclass(slots=True)
class _Line:
    """One connection: whose, as whom, and how it is answered."""

    pile_id: str
    identity: str
    subprotocol: str
    socket: MemorySocket | None = None


class Central:
    """One for all piles of a scenario; `now` gives (seconds since the start, ISO instant)."""

    def __init__(
        self, now: Callable[[], tuple[float, str]], refused_tokens: Collection[str] = ()
    ) -> None:
        self.messages: list[Message] = []
        self.answers: list[tuple[float, str, str, dict[str, Any]]] = []
        self.connections: dict[str, int] = {}
        self.displaced = 0
        self.malformed = 0
        self.refused_tokens = set(refused_tokens)
        self.is_open = True
        # A central system elsewhere answers; what is said is only overheard.
        self.is_foreign = False
        self._elsewhere: set[str] = set()
        self._now = now
        self._by_identity: dict[str, _Line] = {}
        self._asked: dict[str, tuple[str, str]] = {}
        self._transactions = 0
        self._calls = 0
        self.running: dict[str, int | str] = {}

    def accept(self, pile_id: str, identity: str, subprotocol: str) -> MemorySocket:
        """A connection; an older one under the same identity falls. Raises ConnectionRefused."""
        if not self.is_open:
            raise ConnectionRefusedError("the central system is down")
        line = _Line(pile_id, identity, subprotocol)
        line.socket = MemorySocket(subprotocol, lambda frame: self._hear(line, frame))
        older = self._by_identity.get(identity)
        if older is not None and older.socket is not None and older.socket.is_open:
            self.displaced += 1
            older.socket.abort()
        self._by_identity[identity] = line
        self.connections[pile_id] = self.connections.get(pile_id, 0) + 1
        return line.socket

    def is_connected(self, pile_id: str) -> bool:
        """Whether a pile has an open connection now."""
        return pile_id in self._elsewhere or any(
            line.pile_id == pile_id and line.socket is not None and line.socket.is_open
            for line in self._by_identity.values()
        )

    def speaks(self, pile_id: str) -> str:
        """The subprotocol that a pile last connected with; empty if it never did."""
        spoken = [ln.subprotocol for ln in self._by_identity.values() if ln.pile_id == pile_id]
        return spoken[-1] if spoken else ""

    def go_down(self) -> None:
        """Ends every connection and takes no new ones."""
        self.is_open = False
        for line in self._by_identity.values():
            if line.socket is not None:
                line.socket.abort()

    def come_up(self) -> None:
        """Takes connections again."""
        self.is_open = True

    def ask(self, pile_id: str, action: str, payload: dict[str, Any]) -> None:
        """Sends a pile a call; raises NotPossibleNowError where it cannot be reached."""
        if self.is_foreign:
            raise NotPossibleNowError(pile_id, "its central system is another one: it must ask")
        for line in self._by_identity.values():
            if line.pile_id == pile_id and line.socket is not None and line.socket.is_open:
                self._calls += 1
                unique_id = f"central-{self._calls}"
                self._asked[unique_id] = (pile_id, action)
                line.socket.give(json.dumps([_CALL, unique_id, action, payload]))
                return
        raise NotPossibleNowError(pile_id, "it is not connected to the central system")

    def overhear(self, pile_id: str, way: str, data: str) -> None:
        """Takes what a pile and a foreign central system say to each other, or an event."""
        if way == "event":
            opened = data.startswith("open")
            self.connections[pile_id] = self.connections.get(pile_id, 0) + opened
            (self._elsewhere.add if opened else self._elsewhere.discard)(pile_id)
            return
        frame = self._frame(data)
        if frame is None:
            return
        kind, unique_id, *rest = frame
        at_s, _ = self._now()
        if way == "from_pile" and kind == _CALL:
            self.messages.append(Message(at_s, pile_id, rest[0], rest[1], unique_id))
        elif way == "to_pile" and kind == _CALL:
            self._asked[unique_id] = (pile_id, rest[0])
        elif way == "from_pile":
            self._answered(at_s, unique_id, kind, rest)

    def answer_to(self, pile_id: str, action: str) -> dict[str, Any] | None:
        """The last answer of a pile to that question."""
        answers = [told for _, *asked, told in self.answers if asked == [pile_id, action]]
        return answers[-1] if answers else None

    def _hear(self, line: _Line, frame: str) -> None:
        heard = self._frame(frame)
        if heard is None:
            return
        kind, unique_id, *rest = heard
        at_s, instant = self._now()
        if kind == _CALL:
            action, payload = rest[0], rest[1]
            self.messages.append(Message(at_s, line.pile_id, action, payload, unique_id))
            reply = [_RESULT, unique_id, self._reply(line, action, payload, instant)]
            if line.socket is not None:
                line.socket.give(json.dumps(reply))
            return
        self._answered(at_s, unique_id, kind, rest)

    def _frame(self, text: str) -> list[Any] | None:
        """The frame; None, and counted, where it is none."""
        try:
            frame = json.loads(text)
            _, unique_id, *_ = frame
            if frame[0] == _CALL and not isinstance(frame[3], dict):
                raise ValueError("a call's payload is an object")
            return [frame[0], str(unique_id), *frame[2:]]
        except (ValueError, LookupError, TypeError):
            self.malformed += 1
            return None

    def _answered(self, at_s: float, unique_id: str, kind: int, rest: list[Any]) -> None:
        asked = self._asked.pop(unique_id, None)
        if asked is not None and rest:
            told: dict[str, Any] = rest[0] if kind == _RESULT else {"status": rest[0]}
            self.answers.append((at_s, *asked, told))

    def _reply(
        self, line: _Line, action: str, payload: dict[str, Any], instant: str
    ) -> dict[str, Any]:
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": instant, "interval": _HEARTBEAT_S}
        if action == "Heartbeat":
            return {"currentTime": instant}
        if line.subprotocol == "ocpp1.6":
            return self._reply_16(line, action, payload)
        if action == "TransactionEvent":
            self.running[line.pile_id] = str(payload["transactionInfo"]["transactionId"])
        if action == "Authorize":
            return {"idTokenInfo": self._verdict(payload.get("idToken", {}).get("idToken", ""))}
        return {}

    def _reply_16(self, line: _Line, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action == "Authorize":
            return {"idTagInfo": self._verdict(payload["idTag"])}
        if action == "StartTransaction":
            self._transactions += 1
            self.running[line.pile_id] = self._transactions
            return {
                "transactionId": self._transactions,
                "idTagInfo": self._verdict(payload["idTag"]),
            }
        return {}

    def _verdict(self, token: str) -> dict[str, str]:
        return {"status": "Invalid" if token in self.refused_tokens else "Accepted"}
