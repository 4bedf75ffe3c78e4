"""Bay sensors and queue counters over MQTT. The only file that knows MQTT.

    <prefix>/bay/<evse_id>/occupancy   {"occupied": true, "at_ms": 1767225600000}
    <prefix>/bay/<evse_id>/queue       {"length": 2, "at_ms": 1767225600000}

`at_ms` is domain time and may be left out. Payloads above 1 KiB are not read.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import Annotated, Final, NoReturn, Protocol
from urllib.parse import urlsplit

import aiomqtt
import msgspec
import structlog
from msgspec import Meta

from edge_agent.core.backoff import full_jitter_s

log: Final = structlog.get_logger("edge_agent.mqtt")
MAX_PAYLOAD_BYTES: Final = 1024
# Sensor words are states: beyond this, older ones may be lost without harm.
MAX_QUEUED: Final = 1000
TIMEOUT_S: Final = 10.0
BACKOFF_BASE_S: Final = 0.5
BACKOFF_CAP_S: Final = 30.0


class Occupancy(msgspec.Struct):
    """A bay sensor's word."""

    occupied: bool
    at_ms: int | None = None


class Queue(msgspec.Struct):
    """A queue counter's word."""

    length: Annotated[int, Meta(ge=0, le=1000)]
    at_ms: int | None = None


class SensorSink(Protocol):
    """Somebody who takes what sensors say of EVSEs it knows."""

    def __contains__(self, evse_id: object) -> bool: ...

    def bay(self, evse_id: str, occupied: bool, at_ms: int | None) -> None:
        """Takes a bay sensor's word."""
        ...

    def queue(self, evse_id: str, length: int, at_ms: int | None) -> None:
        """Takes a queue counter's word."""
        ...


class BaySensors:
    """Listens to one broker for as long as it runs.

    `heard` counts all messages, `foreign` those about bays of other agents, which a shared broker
    carries too, `refused` those that cannot be read.
    """

    def __init__(
        self,
        broker: str,
        prefix: str,
        sink: SensorSink,
        rng: random.Random,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self._broker = urlsplit(broker)
        self._prefix = prefix
        self._sink = sink
        self._rng = rng
        self._login = (username, password)
        self._complained: set[str] = set()
        self.connected = asyncio.Event()
        self.heard = 0
        self.foreign = 0
        self.refused = 0

    async def run(self) -> NoReturn:
        """Listens until cancelled; after a loss it connects and subscribes again."""
        attempt = 0
        while True:
            try:
                async with self._client() as client:
                    for kind in ("occupancy", "queue"):
                        await client.subscribe(f"{self._prefix}/bay/+/{kind}", qos=1)
                    attempt = 0
                    self.connected.set()
                    log.info("sensors connected", broker=self._broker.netloc.rpartition("@")[2])
                    async for message in client.messages:
                        self.take(message.topic.value, message.payload)
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                if self.connected.is_set() or attempt == 0:
                    log.warning("sensors lost", why=str(error))
            self.connected.clear()
            await asyncio.sleep(full_jitter_s(attempt, self._rng, BACKOFF_BASE_S, BACKOFF_CAP_S))
            attempt += 1

    def take(self, topic: str, payload: object) -> None:
        """Takes one message; what cannot be read is counted and said once per topic."""
        self.heard += 1
        evse_id, _, kind = topic.removeprefix(f"{self._prefix}/bay/").rpartition("/")
        if evse_id not in self._sink:
            self.foreign += 1
            log.debug("sensor message of a foreign bay", topic=topic[:128])
            return
        try:
            if not isinstance(payload, bytes | bytearray) or len(payload) > MAX_PAYLOAD_BYTES:
                raise ValueError(f"payload above {MAX_PAYLOAD_BYTES} bytes")
            if kind == "occupancy":
                bay = msgspec.json.decode(payload, type=Occupancy)
                self._sink.bay(evse_id, bay.occupied, bay.at_ms)
            else:
                queue = msgspec.json.decode(payload, type=Queue)
                self._sink.queue(evse_id, queue.length, queue.at_ms)
        except (ValueError, msgspec.MsgspecError) as error:
            self.refused += 1
            if topic not in self._complained and len(self._complained) < MAX_QUEUED:
                self._complained.add(topic)
                log.warning("sensor message refused", topic=topic[:128], why=str(error))

    def _client(self) -> aiomqtt.Client:
        secure = self._broker.scheme == "mqtts"
        username, password = self._login
        return aiomqtt.Client(
            self._broker.hostname or "",
            self._broker.port or (8883 if secure else 1883),
            username=username,
            password=password,
            timeout=TIMEOUT_S,
            keepalive=20,
            max_queued_incoming_messages=MAX_QUEUED,
            tls_context=ssl.create_default_context() if secure else None,
        )
