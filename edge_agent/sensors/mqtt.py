"""The sensors of the site over MQTT. The only file that knows MQTT.

Topics and payloads are those of `payloads.py`; what becomes of words belongs to the sink.
"""

from __future__ import annotations

import asyncio
import functools
import random
import ssl
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import urlsplit

import aiomqtt
import msgspec
import structlog

from edge_agent.core.backoff import full_jitter_s
from edge_agent.core.reading import Surroundings
from edge_agent.sensors import payloads
from edge_agent.sensors.inbox import Inbox
from edge_agent.sensors.payloads import KINDS, MAX_PAYLOAD_BYTES

log: Final = structlog.get_logger("edge_agent.mqtt")
TIMEOUT_S: Final = 10.0
BACKOFF_BASE_S: Final = 0.5
BACKOFF_CAP_S: Final = 30.0
# Bad user name or password, not authorized. Source: MQTT 3.1.1, 3.2.2.3, and 5.0, 3.2.2.2.
LOGIN_REFUSED: Final = (4, 5, 134, 135)


class SensorSink(Protocol):
    """Somebody who takes what sensors say of EVSEs and piles it knows."""

    def __contains__(self, evse_id: object) -> bool: ...

    def serves(self, pile_id: str) -> bool:
        """True for a pile that it knows."""
        ...

    def bay(self, evse_id: str, occupied: bool, at_ms: int | None) -> None:
        """Takes a bay sensor's word."""
        ...

    def queue(self, evse_id: str, length: int, at_ms: int | None) -> None:
        """Takes a queue counter's word."""
        ...

    def surroundings(self, pile_id: str, seen: Surroundings, at_ms: int | None) -> None:
        """Takes what was counted or measured around a pile."""
        ...

    def fix(
        self, pile_id: str, latitude_deg: float, longitude_deg: float, at_ms: int | None
    ) -> None:
        """Takes where a pile's receiver says it stands."""
        ...


class BaySensors:
    """Listens to one broker for as long as it runs.

    `heard` counts all messages, `foreign` those about bays and piles of other agents, which a
    shared broker carries too, `refused` those that cannot be read; `inbox.superseded` those that
    gave way to a newer word of their topic.
    """

    def __init__(
        self,
        broker: str,
        prefix: str,
        sink: SensorSink,
        rng: random.Random,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._broker = urlsplit(broker)
        self._prefix = prefix
        self._sink = sink
        self._rng = rng
        self._login = (username, password)
        self._ca_file = ca_file
        self._complained: set[str] = set()
        self.inbox: Inbox[aiomqtt.Message] = Inbox(lambda topic: KINDS[_kind(topic)][2])
        self.connected = asyncio.Event()
        self.connections = 0
        self.heard = 0
        self.foreign = 0
        self.refused = 0

    async def run(self) -> NoReturn:
        """Listens until cancelled; after a loss it connects and subscribes again.

        Subscribing brings the retained words again, so that a restart on either side loses none.
        """
        attempt = 0
        while True:
            try:
                async with self._client() as client:
                    for kind, (place, _, _) in KINDS.items():
                        await client.subscribe(f"{self._prefix}/{place}/+/{kind}", qos=1)
                    attempt = 0
                    self.connections += 1
                    self.connected.set()
                    log.info("sensors connected", broker=self._broker.netloc.rpartition("@")[2])
                    async for message in client.messages:
                        self._take(message.topic.value, bytes(message.payload))
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                if self.connected.is_set() or attempt == 0:
                    log.warning("sensors lost", **self._told(error))
            self.connected.clear()
            await asyncio.sleep(full_jitter_s(attempt, self._rng, BACKOFF_BASE_S, BACKOFF_CAP_S))
            attempt += 1

    def hear(self, message: aiomqtt.Message) -> None:
        """Sorts a message as it comes from the broker; what is too large is not kept at all."""
        self.heard += 1
        topic = message.topic.value
        place, name, kind = self._parts(topic)
        if not (name in self._sink if place == "bay" else self._sink.serves(name)):
            self.foreign += 1
            log.debug("sensor message of a foreign bay", topic=topic[:128])
        elif not isinstance(message.payload, bytes | bytearray):
            self._refuse(topic, "the payload is no bytes")
        elif len(message.payload) > MAX_PAYLOAD_BYTES:
            size = len(message.payload)
            self._refuse(topic, f"the payload has {size} bytes, at most {MAX_PAYLOAD_BYTES}")
        elif kind in KINDS:
            self.inbox.put(topic, message)

    def _told(self, error: Exception) -> dict[str, str]:
        """What is wrong with the broker, and what to do where that is known."""
        if getattr(error, "rc", None) in LOGIN_REFUSED:
            why = f"the broker refused the login of {self._login[0] or 'nobody'}"
            return {"why": why, "hint": "look at bay_sensors.username and password_file"}
        return {"why": str(error)}

    def _take(self, topic: str, payload: bytes) -> None:
        """Hands one word to the sink; what cannot be read is counted and said once per topic."""
        _, name, kind = self._parts(topic)
        try:
            word = payloads.parse(kind, payload)
        except (ValueError, msgspec.MsgspecError) as error:
            self._refuse(topic, str(error))
            return
        match word:
            case payloads.Occupancy(occupied=occupied):
                self._sink.bay(name, occupied, word.at_ms)
            case payloads.Queue(length=length):
                self._sink.queue(name, length, word.at_ms)
            case payloads.Camera(people=people, vehicles=vehicles):
                self._sink.surroundings(name, Surroundings(people, vehicles), word.at_ms)
            case payloads.Ambient(temperature_c=temperature_c):
                seen = Surroundings(ambient_temperature_c=temperature_c)
                self._sink.surroundings(name, seen, word.at_ms)
            case payloads.Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg):
                self._sink.fix(name, latitude_deg, longitude_deg, word.at_ms)

    def _refuse(self, topic: str, why: str) -> None:
        self.refused += 1
        if topic not in self._complained:
            self._complained.add(topic)
            log.warning("sensor message refused", topic=topic[:128], why=why)

    def _parts(self, topic: str) -> tuple[str, str, str]:
        place, _, rest = topic.removeprefix(f"{self._prefix}/").partition("/")
        name, _, kind = rest.rpartition("/")
        return place, name, kind

    def _client(self) -> aiomqtt.Client:
        secure = self._broker.scheme == "mqtts"
        username, password = self._login
        queue: Any = functools.partial(_Queue, self)  # aiomqtt only calls it
        return aiomqtt.Client(
            self._broker.hostname or "",
            self._broker.port or (8883 if secure else 1883),
            username=username,
            password=password,
            timeout=TIMEOUT_S,
            keepalive=20,
            queue_type=queue,
            tls_context=ssl.create_default_context(cafile=self._ca_file) if secure else None,
        )


class _Queue:
    """What aiomqtt needs of its queue, with the inbox behind it."""

    def __init__(self, sensors: BaySensors, maxsize: int) -> None:
        self._sensors = sensors

    def put_nowait(self, message: aiomqtt.Message) -> None:
        self._sensors.hear(message)

    async def get(self) -> aiomqtt.Message:
        return await self._sensors.inbox.get()

    def qsize(self) -> int:
        return len(self._sensors.inbox)


def _kind(topic: str) -> str:
    return topic.rpartition("/")[2]
