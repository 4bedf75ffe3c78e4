"""Sensors of the site on MQTT: bays, queues, cameras; the only MQTT file of the room.

What their bad habits make of a reading is in `sensor_habits.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import structlog

from firmware_sim.config_tables import MqttTable
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import Pile
from firmware_sim.core.sensor_faults import SensorFault
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.backoff import FullJitter
from firmware_sim.faces.sensor_habits import Reading, Voice
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_TIMEOUT_S = 2.0
_BACKOFF_BASE_S, _BACKOFF_CAP_S = 0.5, 15.0
_AT_LEAST_ONCE = 1
_KEEP_ALIVE_S = 10


def bay_readings(evse: Evse, at_ms: int) -> dict[str, Reading]:
    """What the sensors of one bay publish, by the last word of the topic."""
    return {
        "occupancy": {"occupied": evse.bay_occupied, "at_ms": at_ms},
        "queue": {"length": evse.queue_length, "at_ms": at_ms},
    }


def pile_readings(pile: Pile, at_ms: int) -> dict[str, Reading]:
    """What the sensors around a pile publish: a camera counts cars in bays and queues.

    Whoever waits sits in the car; whoever plugged in a car stands beside it.
    """
    waiting = sum(evse.queue_length for evse in pile.evses)
    parked = sum(evse.bay_occupied for evse in pile.evses)
    people = waiting + sum(evse.car is not None for evse in pile.evses)
    return {"camera": {"people": people, "vehicles": parked + waiting, "at_ms": at_ms}}


class SiteSensors:
    """Bay sensors of the watched piles and cameras of the filmed, all over one connection.

    Topics `<prefix>/bay/<evse_id>/occupancy` and `.../queue`, `<prefix>/pile/<pile_id>/camera`,
    retained, on change and every `republish_s` real seconds; `at_ms` is the piles' clock. Topic
    `<prefix>/sensors/<name>/state` says whether they are there; their last will says that not.
    """

    def __init__(
        self,
        fleet: Fleet,
        watched: Iterable[str],
        filmed: Iterable[str],
        table: MqttTable,
        now_ms: Callable[[], int],
        *,
        seed: int,
    ) -> None:
        self._fleet = fleet
        self._watched, self._filmed = frozenset(watched), frozenset(filmed)
        self._pile_ids = tuple(sorted(self._watched | self._filmed))
        self._table = table
        self._now_ms = now_ms
        own = hashlib.sha256(" ".join(self._pile_ids).encode()).hexdigest()[:12]
        self._client_id = table.client_id or f"sim-{own}"
        self._state = f"{table.prefix}/sensors/{self._client_id}/state"
        self._backoff = FullJitter(
            _BACKOFF_BASE_S, _BACKOFF_CAP_S, random.Random(f"{seed}/bay sensors")
        )
        self._voices: dict[str, Voice] = {}
        self._due: dict[str, None] = {}
        self._woken = asyncio.Event()
        self._flapped = False

    async def run(self) -> None:
        """Publishes until cancelled; a lost broker is tried again."""
        forget = self._fleet.on_evse_change(self._note)
        forget_faults = self._fleet.on_wire_change(self._note_faults)
        flapping = asyncio.create_task(self._flap(), name="firmware_sim:flapping sensors")
        try:
            while True:
                while self._is_offline():
                    self._woken.clear()
                    await self._woken.wait()
                try:
                    await self._publish_over_one_connection()
                except (aiomqtt.MqttError, OSError) as error:
                    delay_s = self._backoff.next_s()
                    _log.warning("broker lost", reason=str(error), retry_s=round(delay_s, 1))
                    await asyncio.sleep(delay_s)
        finally:
            flapping.cancel()
            forget()
            forget_faults()

    async def _publish_over_one_connection(self) -> None:
        parts = urlsplit(self._table.url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 1883
        will = aiomqtt.Will(self._state, '{"online":false}', qos=_AT_LEAST_ONCE, retain=True)
        async with aiomqtt.Client(
            host,
            port,
            timeout=_TIMEOUT_S,
            will=will,
            keepalive=_KEEP_ALIVE_S,
            identifier=self._client_id,
        ) as client:
            self._backoff.reset()
            _log.info("broker reached", broker=f"{host}:{port}", piles=len(self._pile_ids))
            await self._publish(client, self._state, b'{"online":true}', retain=True)
            loop = asyncio.get_running_loop()
            everything_at_s = loop.time()
            while True:
                if self._is_offline():
                    await _hang_up(client)
                if loop.time() >= everything_at_s:
                    self._due = dict.fromkeys(self._pile_ids)
                    everything_at_s = loop.time() + self._table.republish_s
                await self._publish_due(client)
                self._woken.clear()
                try:
                    async with asyncio.timeout_at(everything_at_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    def _is_offline(self) -> bool:
        piles = (self._fleet.pile(pile_id) for pile_id in self._pile_ids)
        return any(fault.kind == "offline" for pile in piles for fault in pile.sensor_faults)

    async def _publish_due(self, client: aiomqtt.Client) -> None:
        while self._due:
            pile_id = next(iter(self._due))
            del self._due[pile_id]
            pile = self._fleet.pile(pile_id)
            for place, reading in self._readings(pile).items():
                await self._say(client, place, reading, pile.sensor_faults)

    def _readings(self, pile: Pile) -> dict[str, Reading]:
        """What is seen at a pile, by place."""
        pile_id, at_ms = pile.spec.pile_id, self._now_ms()
        seen: dict[str, Reading] = {}
        if pile_id in self._watched:
            for evse in pile.evses:
                for kind, reading in bay_readings(evse, at_ms).items():
                    seen[f"bay/{evse.spec.evse_id}/{kind}"] = reading
        if pile_id in self._filmed:
            for kind, reading in pile_readings(pile, at_ms).items():
                seen[f"pile/{pile_id}/{kind}"] = reading
        return seen

    async def _say(
        self, client: aiomqtt.Client, place: str, reading: Reading, faults: tuple[SensorFault, ...]
    ) -> None:
        voice = self._voices.setdefault(place, Voice())
        flapped = self._flapped and any(fault.kind == "flapping" for fault in faults)
        for said in voice.says(reading, faults, flapped):
            topic = f"{self._table.prefix}/{place}"
            await self._publish(client, topic, said.payload, retain=said.retain)

    async def _publish(
        self, client: aiomqtt.Client, topic: str, payload: bytes, *, retain: bool
    ) -> None:
        await client.publish(topic, payload, qos=_AT_LEAST_ONCE, retain=retain, timeout=_TIMEOUT_S)

    async def _flap(self) -> None:
        """Turns the word of flapping sensors around, each time the shortest of them wants it."""
        while True:
            piles = [self._fleet.pile(pile_id) for pile_id in self._pile_ids]
            flapping = {
                pile.spec.pile_id: fault.value
                for pile in piles
                for fault in pile.sensor_faults
                if fault.kind == "flapping"
            }
            await asyncio.sleep(min(flapping.values(), default=1.0))
            self._flapped = bool(flapping) and not self._flapped
            self._due.update(dict.fromkeys(flapping))
            if flapping:
                self._woken.set()

    def _note(self, old: Evse, new: Evse) -> None:
        before = bay_readings(old, 0), old.car is None
        if before != (bay_readings(new, 0), new.car is None):
            self._note_faults(self._fleet.pile_id_of(new.spec.evse_id), None)

    def _note_faults(self, pile_id: str, _: WireFault | None) -> None:
        if pile_id in self._pile_ids:
            self._due[pile_id] = None
            self._woken.set()


async def _hang_up(client: aiomqtt.Client) -> None:
    """Ends the line without a farewell: only then does the broker tell the last will.

    Raises MqttError once the loss was noticed here.
    """
    line: Any = client._client.socket()
    line.shutdown(socket.SHUT_RDWR)
    async for _ in client.messages:
        continue
