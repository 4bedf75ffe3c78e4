"""The operator's page of a running coordinator, put together from its parts.

Imported only where a page is configured: its libraries cost memory.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from coordinator.addresses import split_address
from coordinator.parts import Parts
from coordinator.usecases.commanding import Commander
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
        ]

    async def stop(self) -> None:
        """Says goodbye to every tab and ends."""
        self.feed.close()
        await self.server.stop()


def make_web(parts: Parts) -> Web:
    """The page over these parts."""
    section, clock = parts.config.web, parts.clock
    sources = sources_of(parts)
    feed = Feed(Live(sources), clock.link_s, clock.system_s)
    host, _ = split_address(section.listen)
    app = site(sources, feed, Gate(section.token_file, clock.link_s), host)
    return Web(feed, WebServer(app, parts.config.coordinator.grace_s))


def sources_of(parts: Parts) -> Sources:
    """What the pages read."""
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
        offset_h=parts.brain.intentions.offset_h,
    )
