"""Bay sensors on MQTT: who stands in a bay and how many wait; the only MQTT file of the room."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import aiomqtt
import structlog

from firmware_sim.config_tables import MqttTable
from firmware_sim.core.evse import Evse
from firmware_sim.faces.backoff import FullJitter
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
_TIMEOUT_S = 2.0
_BACKOFF_BASE_S, _BACKOFF_CAP_S = 0.5, 15.0
_AT_LEAST_ONCE = 1


def bay_readings(evse: Evse, at_ms: int) -> dict[str, dict[str, bool | int]]:
    """What the sensors of one bay publish, by the last word of the topic."""
    return {
        "occupancy": {"occupied": evse.bay_occupied, "at_ms": at_ms},
        "queue": {"length": evse.queue_length, "at_ms": at_ms},
    }


class BaySensors:
    """One sensor per EVSE of the watched piles, all over one connection.

    Topics `<prefix>/bay/<evse_id>/occupancy` and `.../queue`, retained, on change and every
    `republish_s` real seconds; `at_ms` is the piles' clock.
    """

    def __init__(
        self,
        fleet: Fleet,
        pile_ids: Iterable[str],
        table: MqttTable,
        now_ms: Callable[[], int],
        *,
        seed: int,
    ) -> None:
        self._fleet = fleet
        self._evse_ids = tuple(
            evse.spec.evse_id for pile_id in pile_ids for evse in fleet.pile(pile_id).evses
        )
        self._table = table
        self._now_ms = now_ms
        self._backoff = FullJitter(
            _BACKOFF_BASE_S, _BACKOFF_CAP_S, random.Random(f"{seed}/bay sensors")
        )
        self._due: dict[str, None] = {}
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Publishes until cancelled; a lost broker is tried again."""
        forget = self._fleet.on_evse_change(self._note)
        try:
            while True:
                try:
                    await self._publish_over_one_connection()
                except (aiomqtt.MqttError, OSError) as error:
                    delay_s = self._backoff.next_s()
                    _log.warning("broker lost", reason=str(error), retry_s=round(delay_s, 1))
                    await asyncio.sleep(delay_s)
        finally:
            forget()

    async def _publish_over_one_connection(self) -> None:
        parts = urlsplit(self._table.url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 1883
        async with aiomqtt.Client(host, port, timeout=_TIMEOUT_S) as client:
            self._backoff.reset()
            _log.info("broker reached", broker=f"{host}:{port}", sensors=len(self._evse_ids))
            loop = asyncio.get_running_loop()
            everything_at_s = loop.time()
            while True:
                if loop.time() >= everything_at_s:
                    self._due = dict.fromkeys(self._evse_ids)
                    everything_at_s = loop.time() + self._table.republish_s
                await self._publish_due(client)
                self._woken.clear()
                try:
                    async with asyncio.timeout_at(everything_at_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    async def _publish_due(self, client: aiomqtt.Client) -> None:
        while self._due:
            evse_id = next(iter(self._due))
            del self._due[evse_id]
            readings = bay_readings(self._fleet.evse(evse_id), self._now_ms())
            for kind, reading in readings.items():
                topic = f"{self._table.prefix}/bay/{evse_id}/{kind}"
                payload = json.dumps(reading, separators=(",", ":"))
                await client.publish(
                    topic, payload, qos=_AT_LEAST_ONCE, retain=True, timeout=_TIMEOUT_S
                )

    def _note(self, old: Evse, new: Evse) -> None:
        same = old.bay_occupied == new.bay_occupied and old.queue_length == new.queue_length
        if not same and new.spec.evse_id in self._evse_ids:
            self._due[new.spec.evse_id] = None
            self._woken.set()
