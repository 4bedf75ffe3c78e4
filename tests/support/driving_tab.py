"""A driver's page in a real browser, and what a driver does with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from served_brain import HERE

SIZES = {"phone": (390, 844), "tablet": (768, 1024), "laptop": (1280, 900)}


@dataclass
class DrivingTab:
    """A tab at /drive; everything it asked for and complained of."""

    page: Any
    base: str
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    loads: int = 0

    def watch(self) -> None:
        """Begins to note what the page does."""
        self.page.on("request", self._requested)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("load", self._loaded)
        self.page.on("console", self._said)

    def _loaded(self, *_: object) -> None:
        self.loads += 1

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _requested(self, request: Any) -> None:
        self.hosts.add(urlsplit(request.url).netloc)
        if request.url.endswith("/api/drive/recommend"):
            self.asked.append(json.loads(request.post_data))

    async def open(self, query: str = "") -> None:
        """Goes to the page and waits until it hears of the stations."""
        await self.page.goto(f"{self.base}drive{query}")
        await self.page.wait_for_selector('.asof[data-state="live"]')

    async def say(self, **fields: object) -> None:
        """Types into fields; the last one is left, so that it counts."""
        for name, value in fields.items():
            await self.page.fill(f"#field-{name}", str(value))
        await self.page.keyboard.press("Tab")

    async def stand_here(self, soc_pct: float = 50.0) -> None:
        """Says where the driver is and what charge is left."""
        await self.say(lat=HERE[0], lon=HERE[1], soc_pct=soc_pct)

    async def phase(self, *names: str) -> None:
        """Waits until the answer is in one of these phases."""
        await self.page.wait_for_selector(
            ", ".join(f'#promise[data-phase="{name}"]' for name in names)
        )

    async def ask(self) -> str:
        """The EVSE that is offered to a click."""
        await self.page.click("#ask")
        await self.phase("offered")
        return await self.evse()

    async def evse(self) -> str:
        """The EVSE that is shown as promised."""
        return str(await self.page.get_attribute("#promise", "data-evse"))

    async def text(self, selector: str = "#promise") -> str:
        """What is read there."""
        return str(await self.page.locator(selector).inner_text())
