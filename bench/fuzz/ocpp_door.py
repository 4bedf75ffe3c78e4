"""The door of charge points: OCPP frames over real websockets to the agent.

After each input a good call is made on the same connection; its answer shows that the agent still
takes frames in their order. What the agent asks of us is answered with what is as strange.
"""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.schema import value_of
from bench.fuzz.text import mutated_json, mutated_text, strange
from bench.fuzz.values import OCPP_PILES
from bench.fuzz.wire import noise

VERSIONS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201"}
# What charge points call; all else of the standards is for them to answer.
CALLED = frozenset(
    [
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyEVChargingNeeds",
        "NotifyEvent",
        "NotifyReport",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "TransactionEvent",
    ]
)
ANSWER_S = 15.0
HEARTBEAT = "Heartbeat"


def schemas(version: str) -> dict[str, dict[str, Any]]:
    """The schema of each message that somebody calls, as the `ocpp` package brings them."""
    found = find_spec("ocpp")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / VERSIONS[version] / "schemas"
    made = {}
    for path in sorted(folder.glob("*.json")):
        name = path.stem.removesuffix("Request")
        if not path.stem.endswith("Response"):
            made[name] = json.loads(path.read_text("utf-8-sig"))
    return made


class OcppDoor:
    """All charge points of one version; each has a connection of its own."""

    def __init__(self, name: str, version: str, url: Callable[[], str]) -> None:
        self.name = name
        self.lanes = len(OCPP_PILES[version])
        self._version = version
        self._url = url
        self._schemas = schemas(version)
        self._stations: asyncio.Queue[Station] = asyncio.Queue()

    async def open(self) -> None:
        """Has every charge point ready to dial."""
        for identity in OCPP_PILES[self._version]:
            self._stations.put_nowait(Station(f"{self._url()}{identity}", self._version))

    async def close(self) -> None:
        """Hangs up."""
        while not self._stations.empty():
            await self._stations.get_nowait().hang_up()

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many frames."""
        actions = list(self._schemas)
        called = [action for action in actions if action in CALLED]
        for number, kind in enumerate(kinds(rng, count)):
            action = rng.choice(called if rng.random() < 0.85 else actions)
            frame = self._frame(rng, action, kind, f"f{number}")
            yield Input(self.name, action, kind, (frame,))

    def _frame(self, rng: random.Random, action: str, kind: Kind, unique_id: str) -> bytes:
        if kind == "random":
            return noise(rng)
        schema = self._schemas[action]
        hostility = rng.choice((0.05, 0.2, 0.6)) if kind == "hostile" else 0.0
        payload = value_of(rng, {**schema, "type": "object"}, schema, 0.0, "")
        if kind == "hostile" and isinstance(payload, dict):
            payload = {
                name: value_of(rng, schema["properties"].get(name, {}), schema, hostility, name)
                for name in payload
            }
        call = [2, unique_id, action, payload]
        if kind != "mutated":
            return json.dumps(call).encode("utf-8", "surrogatepass")
        if rng.random() < 0.3:
            call = rng.choice(([3, unique_id, payload], [4, unique_id, "GenericError", "", {}]))
        if rng.random() < 0.6:
            return mutated_json(rng, call)
        return mutated_text(rng, json.dumps(call).encode())

    async def send(self, item: Input) -> Outcome:
        """What became of a frame."""
        station = await self._stations.get()
        try:
            async with asyncio.timeout(ANSWER_S):
                return await station.say(item.frames[0])
        except TimeoutError:
            await station.hang_up()
            return Outcome("no answer", "hang")
        except (OSError, InvalidHandshake) as error:
            await station.hang_up()
            return Outcome("not let in", "uncaught", repr(error))
        finally:
            self._stations.put_nowait(station)


class Station:
    """One charge point."""

    def __init__(self, url: str, version: str) -> None:
        self._url = url
        self._version = version
        self._socket: ClientConnection | None = None
        self._count = 0

    async def hang_up(self) -> None:
        """Closes the connection, if there is one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def say(self, frame: bytes) -> Outcome:
        """Sends a frame and then a good call; what came of both."""
        if self._socket is None:
            subprotocols = [Subprotocol(self._version)]
            self._socket = await connect(self._url, subprotocols=subprotocols, proxy=None)
        socket = self._socket
        self._count += 1
        good_id = f"good-{self._count}"
        try:
            # Text as text where it is some, because that is what OCPP asks for.
            try:
                await socket.send(frame.decode())
            except UnicodeDecodeError:
                await socket.send(frame)
            await socket.send(json.dumps([2, good_id, HEARTBEAT, {}]))
            return await self._heard(socket, good_id)
        except (ConnectionClosed, AttributeError) as error:
            # The client's library trips over a connection that ends while it writes.
            self._socket = None
            close = socket.close_code or 1006
            bad = close in (1006, 1011)
            return Outcome(f"closed {close}", "uncaught" if bad else "", repr(error))

    async def _heard(self, socket: ClientConnection, good_id: str) -> Outcome:
        outcome = Outcome("passed over")
        while True:
            answer = json.loads(await socket.recv())
            if answer[0] == 2:
                await socket.send(_answer_to(answer))
            elif answer[1] == good_id:
                return outcome if answer[0] == 3 else Outcome("no heartbeat", "uncaught")
            elif answer[0] == 3:
                outcome = Outcome("CALLRESULT")
            elif answer[2] == "InternalError":
                outcome = Outcome("InternalError", "uncaught", str(answer)[:400])
            else:
                outcome = Outcome(str(answer[2]))


def _answer_to(call: list[Any]) -> str:
    """An answer to the agent's own call, good or strange, the same for the same call."""
    rng = random.Random(zlib.crc32(str(call[2:]).encode()) + len(str(call[1])))
    if rng.random() < 0.3:
        return json.dumps([4, call[1], rng.choice(("NotImplemented", "X" * 300, "")), "", {}])
    payload = rng.choice(({"status": "Accepted"}, {}, {"status": strange(rng)}, {"a": 1}))
    return json.dumps([3, call[1], payload])
