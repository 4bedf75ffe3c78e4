"""The pages of a running coordinator, put together from its parts.

Imported only where a page is configured: its libraries cost memory.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from coordinator.addresses import split_address
from coordinator.parts import Parts
from coordinator.rpc.charging_json import ChargingJson
from coordinator.usecases.commanding import Commander
from coordinator.web.drive_stream import StationPicture
from coordinator.web.feed import Feed
from coordinator.web.gate import Gate
from coordinator.web.live import Live
from coordinator.web.server import WebServer
from coordinator.web.site import site
from coordinator.web.sources import Sources


@dataclass(slots=True)
class Web:
    """The page; `url` once it is started."""

    feed: Feed
    drivers: Feed
    server: WebServer
    url: str = ""

    def start(self, address: str) -> None:
        """Listens; raises `AddressRefused`."""
        self.url = self.server.start(address)

    def run(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """The tasks of the page."""
        return [
            group.create_task(self.server.serve(), name="coordinator:web"),
            group.create_task(self.feed.run(), name="coordinator:web-feed"),
            group.create_task(self.drivers.run(), name="coordinator:web-drivers"),
        ]

    async def stop(self) -> None:
        """Says goodbye to every tab and ends."""
        self.feed.close()
        self.drivers.close()
        await self.server.stop()


def make_web(parts: Parts) -> Web:
    """The page over these parts."""
    section, clock = parts.config.web, parts.clock
    sources = sources_of(parts)
    feed = Feed(Live(sources), clock.link_s, clock.system_s)
    host, _ = split_address(section.listen)
    drivers = Feed(StationPicture(sources), clock.link_s, clock.system_s, "the driver's page")
    gate = Gate(section.token_file, clock.link_s, parts.bearers)
    app = site(sources, feed, drivers, gate, host)
    return Web(feed, drivers, WebServer(app, parts.config.coordinator.grace_s))


def sources_of(parts: Parts) -> Sources:
    """What the pages read; servicers must be there."""
    assert parts.charging is not None
    identity = parts.config.identity
    return Sources(
        name=parts.config.coordinator.district,
        clock=parts.clock,
        district=parts.district,
        view=parts.view,
        inventory=parts.inventory,
        events=parts.events,
        counters=parts.counters,
        links=parts.links,
        store=parts.store,
        book=parts.book,
        promises=parts.brain.promises,
        claims=parts.brain.claims,
        knowledge=parts.knowledge,
        switch=parts.switch,
        shadow=parts.shadow,
        commander=Commander(parts.inventory, parts.links, parts.events),
        outgoing=parts.outgoing,
        world=parts.brain.world,
        roads=parts.brain.roads,
        happened=parts.happened,
        charging=ChargingJson(parts.charging),
        guidance=parts.brain.guidance,
        unproved_cars=not identity.configured or "car" in identity.anonymous,
        offset_h=parts.brain.intentions.offset_h,
        identified=parts.bearers is not None,
    )
