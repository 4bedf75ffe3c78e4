"""The relays of the agent made from its configuration; loaded only where an upstream is named."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import ssl
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import structlog

from edge_agent.config import Config, UpstreamConfig
from edge_agent.errors import ConfigError
from edge_agent.piles.ocpp_tls import TlsPaths, client_context, reason_of
from edge_agent.piles.port import Station
from edge_agent.piles.relay import Relay
from edge_agent.piles.relay_figures import RelayFigures
from edge_agent.piles.relay_policy import OfflinePolicy
from edge_agent.piles.relay_queue import Alarm
from edge_agent.piles.relay_store import RelayStore
from edge_agent.piles.relay_upstream import UpstreamSettings

log: Final = structlog.get_logger("edge_agent.relay")


class Relays:
    """All relays and their one store; `by_identity` are the stations that stand before piles."""

    def __init__(
        self,
        config: Config,
        stations: Mapping[str, Station],
        alarm: Alarm,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        assert config.ocpp is not None  # there are stations
        self._now_ms = now_ms
        self._store = RelayStore(config.data_dir, now_ms, config.ocpp.queue_max_mib * 2**20)
        tokens = frozenset(config.ocpp.id_tags)
        policy = OfflinePolicy(config.ocpp.offline_authorize, tokens, self._store, now_ms)
        rng = random.Random()
        self.by_identity: dict[str, Station] = {}
        self._relays: dict[str, Relay] = {}
        for pile in config.piles:
            if pile.door is None or pile.upstream is None:
                continue
            identity = pile.door.identity
            relay = Relay(
                identity,
                pile.door.subprotocols[0],
                stations[identity],
                self._store,
                _settings(config, pile.upstream),
                policy,
                alarm,
                new_id,
                rng,
            )
            self._relays[pile.facts.pile_id] = relay
            self.by_identity[identity] = relay

    async def run(self) -> NoReturn:
        """Relays until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for relay in self._relays.values():
                    name = f"edge_agent:relay-{relay.identity}"
                    group.create_task(relay.run(), name=name)
        finally:
            await self._store.close()
        raise AssertionError("unreachable")

    async def figures(self) -> list[RelayFigures]:
        """How each relay fares; none where the disk does not say."""
        now_ms = self._now_ms()
        try:
            return [await relay.figures(name, now_ms) for name, relay in self._relays.items()]
        except sqlite3.Error as error:
            log.error("relay cannot read its queue", error=repr(error))
            return []


def _settings(config: Config, upstream: UpstreamConfig) -> UpstreamSettings:
    ocpp = config.ocpp
    assert ocpp is not None
    tls = TlsPaths(upstream.cert, upstream.key, upstream.ca)
    if upstream.url.startswith("wss:"):
        try:
            client_context(tls)
        except (ssl.SSLError, OSError) as error:
            text = f"TLS cannot be set up: {reason_of(error)}"
            config.source.report("CFG-013", text, "ocpp.upstream_ca_file")
            raise ConfigError(config.source.problems) from error
    return UpstreamSettings(
        url=upstream.url,
        password=upstream.password,
        tls=tls,
        backoff_base_s=ocpp.reconnect_base_s,
        backoff_cap_s=ocpp.reconnect_cap_s,
        ping_s=ocpp.ping_s,
    )
