"""A day in the store of a small district, as a coordinator would have left it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from coordinator.core.pile import Connector, Evse, Pile, PlannedOutage, PowerType, Station
from coordinator.core.sessions import ChargeSession
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.requests import StoredRequest

GBT_DC = 19
DAY = date(2026, 3, 2)
OFFSET_H = 8.0
BEGINS_S = datetime(2026, 3, 2, tzinfo=UTC).timestamp() - OFFSET_H * 3_600.0
STAY_S = 2_400.0
PLACES = {"Mall": (22.54, 114.05), "Park": (22.58, 114.05)}


def stations(piles: int = 2) -> list[Station]:
    """Two stations some kilometres apart."""
    return [
        Station(
            name, name, *place,
            tuple(
                Pile(f"{name}-{n}", name,
                     (Evse(f"{name}-{n}*1", (Connector("1", GBT_DC, PowerType.DC, 60.0),)),))
                for n in range(1, piles + 1)
            ),
        )
        for name, place in PLACES.items()
    ]  # fmt: skip


def asked(cars: int = 30, hours: float = 8.0) -> tuple[list[StoredRequest], list[ChargeSession]]:
    """Requests around the Mall from seven o'clock, each with the session that followed."""
    rng = np.random.default_rng(5)
    at_s = np.sort(BEGINS_S + 7 * 3_600.0 + rng.uniform(0.0, hours * 3_600.0, cars))
    requests, sessions = [], []
    for n, at in enumerate(at_s.tolist()):
        lat, lon = PLACES["Mall"]
        requests.append(
            StoredRequest(
                f"r{n}", at, f"EV-{n}", f"U-{n}", lat + float(rng.normal(0, 0.004)),
                lon + float(rng.normal(0, 0.004)), 25.0, 80.0, recommendation_id=f"R{n}",
                source="import",
            )
        )  # fmt: skip
        begin = round(at + 600.0, 3)
        sessions.append(
            ChargeSession(
                f"Mall-{n % 2 + 1}*1", begin, begin + STAY_S, "Mall", vehicle_id=f"EV-{n}",
                wait_s=120.0, recommendation_id=f"R{n}",
            )
        )  # fmt: skip
    return requests, sessions


def store_day(
    folder: Path,
    requests: Sequence[StoredRequest],
    sessions: Sequence[ChargeSession],
    outages: Sequence[PlannedOutage] = (),
) -> None:
    """Writes it all by the store's own calls, and closes."""

    folder.mkdir(parents=True, exist_ok=True)

    async def write() -> None:
        store = SqliteTelemetry(folder)
        try:
            await store.put_stations(stations())
            await store.put_requests(requests)
            await store.put_sessions(sessions)
            await store.put_outages(outages)
        finally:
            await store.close()

    asyncio.run(write())


def came(evse_id: str, hour: float, stay_s: float = STAY_S, fault: bool = False) -> ChargeSession:
    """A session that nobody asked for."""
    begin = BEGINS_S + hour * 3_600.0
    return ChargeSession(
        evse_id, begin, begin + stay_s, evse_id.partition("-")[0], ended_by_fault=fault,
        wait_s=math.nan,
    )  # fmt: skip
