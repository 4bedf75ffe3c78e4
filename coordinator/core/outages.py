"""Planned outages: when an EVSE is out of service because somebody meant it to be.

Whether an EVSE works by chance belongs to `reliability`; here is only the calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import PlannedOutage

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
# When the first of them is over; begins and ends, each layer one window of every EVSE at most.
_Kept = tuple[float, list[tuple[Floats, Floats]]]


def merged(
    known: Iterable[PlannedOutage], more: Iterable[PlannedOutage], now_s: float
) -> list[PlannedOutage]:
    """Known and new outages, each once, without those that are over.

    Source: US 12,393,974 B2, step 410.

    >>> old, new = PlannedOutage(1.0, 2.0, "E*1"), PlannedOutage(5.0, 9.0, "E*1")
    >>> [o.from_s for o in merged([old, new], [new], now_s=3.0)]
    [5.0]
    """
    both = {outage: None for outage in (*known, *more) if outage.to_s > now_s}
    return sorted(both, key=lambda o: (o.from_s, o.station_id, o.evse_id))


def windows(district: District, now_s: float) -> list[tuple[Floats, Floats]]:
    """Begins and ends of all outages that are on or come, in layers of shape (evses,).

    The first layer has the next outage of each EVSE, the second the one after it, and so on; inf
    where there is no more. Kept with the district until one of them is over.

    Source: US 12,393,974 B2, step 410.
    """
    kept = district.derived.get("outages")
    if isinstance(kept, tuple) and now_s < kept[0]:
        layers: list[tuple[Floats, Floats]] = kept[1]
        return layers
    layers, next_layer = [], np.zeros(len(district), dtype=np.intp)
    for outage in merged(district.outages, (), now_s):
        rows = np.arange(len(district))[_rows(district, outage)]
        depth = next_layer[rows]
        while len(layers) <= depth.max(initial=-1):
            layers.append((np.full(len(district), np.inf), np.full(len(district), np.inf)))
        for layer in np.unique(depth).tolist():
            at = rows[depth == layer]
            layers[layer][0][at], layers[layer][1][at] = outage.from_s, outage.to_s
        next_layer[rows] += 1
    over_s = min((float(end_s.min(initial=np.inf)) for _, end_s in layers), default=np.inf)
    found: _Kept = (over_s, layers)
    district.derived["outages"] = found
    return layers


def meets(
    district: District, evse: Index, from_s: Floats, to_s: Floats, now_s: float
) -> NDArray[np.bool_]:
    """Whether a stay at these EVSEs between these instants would meet any planned outage.

    Source: US 12,393,974 B2, step 410.
    """
    met = np.zeros(evse.shape, dtype=bool)
    last_s = float(to_s.max(initial=-np.inf))
    for begin_s, end_s in windows(district, now_s):
        # Later layers begin later at every EVSE.
        if float(begin_s.min(initial=np.inf)) >= last_s:
            break
        met |= (begin_s[evse] < to_s) & (end_s[evse] > from_s)
    return met


def is_planned(
    outages: Sequence[PlannedOutage], station_id: str, evse_id: str, at_s: float
) -> bool:
    """Whether an EVSE that stops at this instant was meant to.

    Source: US 12,393,974 B2, step 410.

    >>> plan = [PlannedOutage(10.0, 20.0, station_id="S")]
    >>> is_planned(plan, "S", "E*1", 10.0), is_planned(plan, "S", "E*1", 20.0)
    (True, False)
    """
    return any(
        outage.from_s <= at_s < outage.to_s
        and (outage.evse_id == evse_id or (not outage.evse_id and outage.station_id == station_id))
        for outage in outages
    )


def _rows(district: District, outage: PlannedOutage) -> slice | list[int]:
    """Rows of the EVSEs that an outage takes out; none where they are not known."""
    if outage.evse_id:
        row = district.row.get(outage.evse_id)
        return [] if row is None else [row]
    station = district.station_row.get(outage.station_id)
    if station is None:
        return []
    start = int(district.station_start[station])
    return slice(start, start + int(district.station_size[station]))
