"""A real browser, Debian's chromium, and what it does that it should not."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from watched_town import WatchedTown, watched_town

playwright_api = pytest.importorskip(
    "playwright.async_api", reason='hint: pip install ".[test]" brings playwright'
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), "")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every browser test is slow, and needs a browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="hint: apt-get install chromium"))


@dataclass
class Tab:
    """A page in the browser, with all that it asked for and complained of."""

    page: Any
    base: str
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    loads: int = 0

    async def open(self, page: str = "live") -> None:
        """Goes to a page of the site."""
        await self.page.goto(f"{self.base}#/{page}")

    def watch(self) -> None:
        """Begins to note what the page does."""
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("load", self._loaded)
        self.page.on("console", self._said)

    def _loaded(self, *_: object) -> None:
        self.loads += 1

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[WatchedTown]:
    """A district to look at."""
    async with watched_town(tmp_path) as town:
        yield town


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    """Headless chromium."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with playwright_api.async_playwright() as started:
        launched = await started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        await launched.close()


@pytest.fixture
async def tab(chromium: Any, town: WatchedTown) -> AsyncIterator[Tab]:
    """A tab of laptop size that complained of nothing and asked nobody else, or the test fails."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(20_000)
    tab = Tab(await context.new_page(), town.url)
    tab.watch()
    yield tab
    await context.close()
    assert tab.complaints == []
    assert tab.hosts <= {urlsplit(town.url).netloc}
