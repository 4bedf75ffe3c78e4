"""The pace of a guidance: how often it says that it stands, and how often the car reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pilewise.v1 import charging_service_pb2 as wire

BEAT_S = 20.0
REPORT_EVERY_S = 5.0
REPORT_EVERY_M = 200.0


def beat() -> wire.GuideBeat:
    """The pace of reports."""
    return wire.GuideBeat(report_every_s=REPORT_EVERY_S, report_every_m=REPORT_EVERY_M)


async def heard_in_time(news: asyncio.Event) -> bool:
    """Waits for news; False if a beat is due first."""
    try:
        async with asyncio.timeout(BEAT_S):
            await news.wait()
    except TimeoutError:
        return False
    return True


async def with_beats(
    out: asyncio.Queue[wire.GuideResponse | Exception | None],
) -> AsyncIterator[wire.GuideResponse]:
    """What is put out, with a beat where nothing is, until `None` or the word that it is closed.

    Raises an exception that was put out.
    """
    while True:
        try:
            async with asyncio.timeout(BEAT_S):
                message = await out.get()
        except TimeoutError:
            yield wire.GuideResponse(beat=beat())
            continue
        if message is None:
            return
        if isinstance(message, Exception):
            raise message
        yield message
        if message.HasField("closed"):
            return
