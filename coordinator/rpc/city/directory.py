"""The districts of a city, and which of them are near a car."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from coordinator.config_city import CitySection
from coordinator.core import city
from coordinator.errors import NotFound
from coordinator.rpc.city.link import DistrictLink


class Directory:
    """All districts by name; their areas are those of their newest summaries."""

    def __init__(self, settings: CitySection, link_s: Callable[[], float]) -> None:
        self._most = settings.asked_at_most
        self.links = {
            name: DistrictLink(name, address, settings, link_s)
            for name, address in sorted(settings.districts.items())
        }

    def __getitem__(self, name: str) -> DistrictLink:
        link = self.links.get(name)
        if link is None:
            raise NotFound("district", name)
        return link

    def near(self, place: tuple[float, float], reach_km: float) -> list[DistrictLink]:
        """Those with stations within reach of a car, nearest first."""
        return [self.links[n] for n in city.near(self._areas(), place, reach_km, self._most)]

    def nearest(self, place: tuple[float, float]) -> list[DistrictLink]:
        """All, those that are up first, then by nearness."""
        names = city.near(self._areas(), place, float("inf"), len(self.links))
        return sorted((self.links[name] for name in names), key=lambda link: not link.up)

    def crossed(self, owner: str, place: tuple[float, float]) -> bool:
        """Whether a car is nearer to another district than to the one that keeps its promise."""
        return city.crossed(self._areas(), owner, place)

    def _areas(self) -> dict[str, city.Area | None]:
        return {
            name: link.area
            for name, link in self.links.items()
            # Without stations there is nothing to ask it for.
            if link.summary is None or link.summary.station_count
        }

    def follow(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """The tasks that hear of every district."""
        return [
            group.create_task(link.watch(), name=f"coordinator:district-{name}")
            for name, link in self.links.items()
        ]

    async def close(self) -> None:
        """Hangs up everywhere."""
        await asyncio.gather(*(link.close() for link in self.links.values()))
