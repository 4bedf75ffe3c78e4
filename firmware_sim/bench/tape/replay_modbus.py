"""A device that answers as it did on a tape: the same question gets what it got at that time.

Values that were written are not simulated; a question that was never asked is a difference.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from firmware_sim.bench.tape.differences import Differences
from firmware_sim.bench.tape.framing import Framing, RtuFraming, TcpFraming
from firmware_sim.bench.tape.modbus_cut import FrameCutter
from firmware_sim.bench.tape.tape import Entry
from firmware_sim.errors import BindError

_CHUNK = 4096
_WRITES = (5, 6, 15, 16)
_NOT_KNOWN = 0x0A
# So many different questions are kept for each pile; a real map has a few dozen.
_MOST_QUESTIONS = 4096


class RecordedDevice:
    """One Modbus pile of a tape on a port, framed as on the tape."""

    def __init__(self, pile: str, listen: str, differences: Differences) -> None:
        self.pile = pile
        self.requests = 0
        self._listen = listen
        self._differences = differences
        # Unit and message of the question -> message of the answer; None: it was not answered.
        self._answers: dict[bytes, bytes | None] = {}
        self._open: dict[tuple[int, bytes], bytes] = {}
        self._last_asked: dict[int, tuple[int, bytes]] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._framing: Framing = TcpFraming()

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = await asyncio.start_server(self._serve, host, int(port))
        except OSError as error:
            raise BindError("a replay", self._listen, error.strerror or str(error)) from error
        bound = self._server.sockets[0].getsockname()
        return f"{bound[0]}:{bound[1]}"

    async def close(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.close()

    def learn(self, entry: Entry, *, keep_older: bool = False) -> None:
        """Takes one frame of the tape; `keep_older` does not replace an answer that is known."""
        if entry.way == "event":
            if entry.data == "open rtu":
                self._framing = RtuFraming()
            self._forget_link(entry.link)
            return
        parts = self._framing.split(bytes.fromhex(entry.data))
        if parts is None:
            return
        number, body = parts
        if entry.way == "to_pile":
            self._asked(entry.link, number, body, keep_older=keep_older)
        elif (question := self._open.pop((entry.link, number), None)) is not None:
            self._keep(question, body, keep_older=keep_older)

    def rewind(self) -> None:
        """Forgets what was half heard, before the tape is played from its start."""
        self._open.clear()
        self._last_asked.clear()

    def _asked(self, link: int, number: bytes, body: bytes, *, keep_older: bool) -> None:
        last = self._last_asked.get(link)
        if last is not None and (unanswered := self._open.pop(last, None)) is not None:
            self._keep(unanswered, None, keep_older=keep_older)
        self._open[link, number] = body
        self._last_asked[link] = (link, number)

    def _forget_link(self, link: int) -> None:
        last = self._last_asked.pop(link, None)
        if last is not None:
            self._open.pop(last, None)

    def _keep(self, question: bytes, answer: bytes | None, *, keep_older: bool) -> None:
        if keep_older and (question in self._answers or len(self._answers) >= _MOST_QUESTIONS):
            return
        self._answers[question] = answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cutter = FrameCutter(whole=isinstance(self._framing, RtuFraming))
        self._writers.add(writer)
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    for frame in cutter.cut(data):
                        answer = self._answer(frame)
                        if answer is not None:
                            writer.write(answer)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, frame: bytes) -> bytes | None:
        parts = self._framing.split(frame)
        if parts is None:
            self._differences.add("modbus", f"{self.pile}: no frame: {frame.hex()}")
            return None
        self.requests += 1
        number, question = parts
        known = question in self._answers
        answer = self._answers[question] if known else self._to_unknown(question)
        return None if answer is None else self._framing.join(number, answer)

    def _to_unknown(self, question: bytes) -> bytes:
        unit, function = question[0], question[1] if len(question) > 1 else 0
        address = int.from_bytes(question[2:4], "big")
        value = int.from_bytes(question[4:6], "big")
        if function in _WRITES:
            text = f"{self.pile}: unit {unit} function {function} writes {value} to {address}"
            self._differences.add("modbus", f"{text}, which was never written")
            return question[:6]
        text = f"{self.pile}: unit {unit} function {function} reads {value} from {address}"
        self._differences.add("modbus", f"{text}, which was never read")
        return bytes((unit, function | 0x80, _NOT_KNOWN))
