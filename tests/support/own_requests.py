"""A coordinator's store filled with requests that drivers answered as a rule of the test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.cost import TERMS
from coordinator.core.areas.ledger import Moment
from coordinator.core.recommend.features import FEATURES
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.answer import Answer, Figures, Hold, HoldKind, Judged, Place, Quality
from coordinator.usecases.inputs import SCHEMA_SHA256, _Packed
from coordinator.usecases.ledger import KeptAnswer, Outcome
from coordinator.usecases.requests import packed

T0 = 1_790_000_000.0
SHOWN = 8
_encode = msgspec.msgpack.Encoder().encode

Taste = Callable[[NDArray[np.float32]], int]


def packed_inputs(evse_ids: list[str], features: NDArray[np.float32]) -> bytes:
    """Feature rows as the coordinator stores them, cost terms 0."""
    terms = np.zeros((len(evse_ids), len(TERMS)), dtype=np.float32)
    rows = np.ascontiguousarray(features, dtype=np.float32)
    return _encode(
        _Packed(SCHEMA_SHA256, evse_ids, [0] * len(evse_ids), rows.tobytes(), terms.tobytes())
    )


def judged(evse_id: str) -> Judged:
    """An EVSE as an answer tells of it, every figure 0."""
    place = Place(evse_id, evse_id[:-2], evse_id[:-2], "", "", 22.5, 114.0, "")
    figures = Figures(*[0.0] * 24, 0, 0, 0)  # type: ignore[arg-type]
    return Judged(
        place, figures, 1.0, T0, Quality.EXACT, 80.0, "CNY", (), None, 0.0, "", "", (), 0.0, None,
        "", "",
    )  # fmt: skip


def kept(
    number: int,
    driver: str,
    inputs: bytes,
    choice: str,
    *,
    confirmed: bool = True,
    revision: int = 1,
    made_at_s: float = T0,
) -> KeptAnswer:
    """What is stored of an answer with this choice."""
    hold = Hold(HoldKind.SOFT, f"k{number}", confirmed=confirmed)
    answer = Answer(
        f"r{number}", f"q{number}", driver, made_at_s, 3, "", "en", (judged(choice),), hold,
        revision,
    )  # fmt: skip
    request = ChargingRequest(
        f"q{number}", driver, Vehicle(60.0), 50.0, 22.5, 114.0, user_id=driver
    )
    return KeptAnswer(f"r{number}", f"q{number}", driver, _encode(answer), _encode(request), inputs)


def candidates(rng: np.random.Generator) -> NDArray[np.float32]:
    """Feature rows of a request: like those of a city in size, without any structure."""
    rows = np.zeros((SHOWN, len(FEATURES)), dtype=np.float32)
    for column, name in enumerate(FEATURES):
        if name == "level_low":
            rows[:, column] = 1.0
        elif name in ("drive_min", "wait_min", "price_per_session", "charge_min"):
            rows[:, column] = rng.uniform(1.0, 30.0, SHOWN)
        elif name in ("expected_power_kw",):
            rows[:, column] = rng.uniform(7.0, 150.0, SHOWN)
        elif not name.startswith("level_"):
            rows[:, column] = rng.uniform(0.0, 1.0, SHOWN)
    return rows


async def fill_store(folder: Path, requests: int, taste: Taste, seed: int = 7) -> None:
    """Requests an hour apart by twenty drivers in telemetry.db, and in claims.db their words."""
    rng = np.random.default_rng(seed)
    telemetry = SqliteTelemetry(folder)
    claims = SqliteClaims(folder / "claims.db", Moment(T0, 0.0))
    rows = []
    try:
        for number in range(requests):
            at_s = T0 + 3600.0 * number
            evse_ids = [f"S{n}*1" for n in rng.permutation(40)[:SHOWN]]
            features = candidates(rng)
            chosen = evse_ids[taste(features)]
            driver = f"U{rng.integers(20):02d}"
            answer = kept(number, driver, packed_inputs(evse_ids, features), evse_ids[0])
            rows.append(packed(answer, at_s))
            kind = 1 if chosen == evse_ids[0] else 2
            outcome = Outcome(kind, "" if kind == 1 else chosen)
            await claims.keep_outcome(f"r{number}", outcome, Moment(at_s + 1800.0, 0.0))
        await telemetry.put_requests(rows)
    finally:
        await claims.close()
        await telemetry.close()
