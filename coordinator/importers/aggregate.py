"""A station's plugs by kind and power, as navigation services show them.

An EVSE with two plugs counts at both, and is free at both or at none: it serves one car at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Station
from coordinator.core.recommend.waiting import waits_now
from coordinator.importers.words import connector_name

OUT_OF_SERVICE = (EvseStatus.INOPERATIVE, EvseStatus.OUTOFORDER)


@dataclass(frozen=True, slots=True)
class LiveEvse:
    """What is believed of an EVSE now; `updated_at_s` is None where it was never heard of.

    `wait_p50_s` is that of a car which stood there now, None where it would not be served at all.
    """

    status: EvseStatus = EvseStatus.UNKNOWN
    updated_at_s: float | None = None
    failure_rate: float | None = None
    queue_length: int = 0
    wait_p50_s: int | None = None


@dataclass(slots=True)
class Kind:
    """Plugs of one standard and power at a station. `known` have a status at all."""

    standard: str
    max_power_kw: float
    count: int = 0
    known: int = 0
    available: int = 0
    out_of_service: int = 0
    updated_at_s: float | None = None


Live = Mapping[str, LiveEvse]
NOTHING = LiveEvse()


def live_of(district: District, statuses: NDArray[np.int8], now_s: float) -> dict[str, LiveEvse]:
    """What a district believes of each EVSE; `statuses` are those with staleness applied, (n,)."""
    columns = zip(
        district.evse_ids,
        statuses.tolist(),
        district.observed_at_s.tolist(),
        district.failure_rate.tolist(),
        district.queue_length.tolist(),
        waits_now(district, statuses, now_s).tolist(),
        strict=True,
    )
    return {
        evse_id: LiveEvse(
            EvseStatus(status),
            seen_s if math.isfinite(seen_s) else None,
            round(rate, 4),
            queue,
            round(wait_s) if math.isfinite(wait_s) else None,
        )
        for evse_id, status, seen_s, rate, queue, wait_s in columns
    }


def given_up(
    live: Live, evse_ids: Sequence[str], late_s: NDArray[np.float64], now_s: float
) -> dict[str, LiveEvse]:
    """The same, but an EVSE that fell silent was updated when it was given up, `late_s` ago, (n,).

    Whoever asks for what changed since an instant would miss otherwise that it became UNKNOWN.
    """
    told = dict(live)
    for evse_id, ago_s in zip(evse_ids, late_s.tolist(), strict=True):
        one = told[evse_id]
        if one.status is EvseStatus.UNKNOWN and 0 < ago_s < math.inf:
            at_s = max(now_s - ago_s, one.updated_at_s or 0.0)
            told[evse_id] = replace(one, updated_at_s=at_s)
    return told


def by_kind(station: Station, live: Live) -> list[Kind]:
    """Kinds in the order in which they are met."""
    kinds: dict[tuple[str, float], Kind] = {}
    for evse_id, standard, power_kw in _plugs(station):
        now = live.get(evse_id, NOTHING)
        kind = kinds.setdefault((standard, power_kw), Kind(standard, power_kw))
        kind.count += 1
        kind.known += now.status not in (EvseStatus.UNKNOWN, EvseStatus.UNSPECIFIED)
        kind.available += now.status is EvseStatus.AVAILABLE
        kind.out_of_service += now.status in OUT_OF_SERVICE
        if now.updated_at_s is not None:
            kind.updated_at_s = max(now.updated_at_s, kind.updated_at_s or now.updated_at_s)
    return list(kinds.values())


def _plugs(station: Station) -> Iterator[tuple[str, str, float]]:
    for pile in station.piles:
        for evse in pile.evses:
            for plug in {(c.standard, c.max_power_kw): c for c in evse.connectors}.values():
                yield evse.evse_id, connector_name(plug.standard), plug.max_power_kw
