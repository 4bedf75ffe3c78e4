"""What the district believes now, as columns: one numpy row an EVSE, grouped by station.

Only the event loop touches it; workers get copies. It learns from `apply` (reports) and from the
ledger (`hold`, `free`). It never decides anything: see `recommend/pipeline.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import (
    EvseStatus,
    Pile,
    PlannedOutage,
    PowerType,
    RecordKind,
    Station,
    Tariff,
    User,
)
from coordinator.core.rows import Changes as Changes
from coordinator.core.rows import Index as Index
from coordinator.core.rows import Order, order_rows
from coordinator.core.rows import Rows as Rows
from coordinator.core.usual_stay import UsualStay

# Statuses that a car cannot use, whatever else is known.
UNUSABLE = (
    EvseStatus.BLOCKED,
    EvseStatus.INOPERATIVE,
    EvseStatus.OUTOFORDER,
    EvseStatus.PLANNED,
    EvseStatus.REMOVED,
)
MASK_BITS = 63  # of a mask column that are no sign: int64
# Columns that outlive a change of the station list, by name and dtype, with their initial value.
LIVE_COLUMNS: tuple[tuple[str, str, float], ...] = (
    ("status", "i1", float(EvseStatus.UNKNOWN)),
    ("source", "i1", 0),
    ("bay", "i1", 0),
    ("queue_length", "i2", 0),
    ("told_queue", "i2", 0),  # cars that wait, by the word of a driver who waits there
    ("told_at_s", "f8", -np.inf),  # domain time of that word
    ("observed_at_s", "f8", -np.inf),  # domain time of the newest row
    ("heard_at_s", "f8", -np.inf),  # link time of the newest row: staleness is real time
    ("changed_at_s", "f8", -np.inf),  # domain time of the newest change of status
    ("power_kw", "f4", np.nan),
    ("energy_kwh", "f8", np.nan),
    ("soc_pct", "f4", np.nan),
    ("claimed_to_s", "f8", -np.inf),  # end of the last live claim's window, domain time
    ("claim_count", "i2", 0),  # live claims
    ("claimed_by", "i8", 0),  # hash of the car of the newest live claim; 0 means none
    ("reserved_from_s", "f8", np.inf),  # begin of the next window kept for a car, domain time
    ("occupied_to_s", "f8", -np.inf),  # end of the claim whose car is plugged in, domain time
    ("expected_arrivals", "f4", 0),  # cars within half an hour that hold nothing: summed P(S1)
    ("served_today", "i4", 0),  # sessions begun and promises made today
    ("failure_rate", "f4", 0.02),  # P(an unplanned outage starts within 24 h), after the map
    ("prior_rate", "f4", 0.02),  # the same before the map
    ("fault_count", "i4", 0),  # unplanned outage onsets, debounced
    ("exposure_days", "f8", 0),
    ("session_count", "i4", 0),
    ("charging_s", "f8", 0),  # seconds of charging in all sessions
    ("last_success_at_s", "f8", -np.inf),
)
# Live columns of which a row may say nothing.
_VALUES = ("bay", "queue_length", "power_kw", "energy_kwh", "soc_pct")


class District:
    """The live picture. Column names: `LIVE_COLUMNS`, and the fixed ones set in `_lay_out`.

    Source: US 12,393,974 B2, FIG. 2, step 510 (found by ID).
    """

    def __init__(self, stations: Iterable[Station] = ()) -> None:
        self.tariffs: dict[str, Tariff] = {}
        self.users: dict[str, User] = {}
        self.drivers: dict[str, User] = {}  # by the cars that are theirs
        self.outages: list[PlannedOutage] = []
        self.fault_code: dict[int, str] = {}
        self.windows = 0  # in the future, for which EVSEs are kept
        self.stations: list[Station] = []
        self.usual_stay = UsualStay()
        self.evse_ids: list[str] = []
        self.row: dict[str, int] = {}
        self.station_row: dict[str, int] = {}
        # What others computed from the fixed columns or the tariffs; emptied when these change.
        self.derived: dict[str, object] = {}
        for name, dtype, initial in LIVE_COLUMNS:
            setattr(self, name, np.full(0, initial, dtype=dtype))
        self.put_stations(stations)

    overstay_risk = 0.1  # that a guided car stays longer than it said
    alike: NDArray[np.int32] | None  # see `recommend/popular.py`
    # The live columns, declared for the type checker; `LIVE_COLUMNS` says what they mean.
    status: NDArray[np.int8]
    source: NDArray[np.int8]
    bay: NDArray[np.int8]
    queue_length: NDArray[np.int16]
    told_queue: NDArray[np.int16]
    told_at_s: NDArray[np.float64]
    observed_at_s: NDArray[np.float64]
    heard_at_s: NDArray[np.float64]
    changed_at_s: NDArray[np.float64]
    power_kw: NDArray[np.float32]
    energy_kwh: NDArray[np.float64]
    soc_pct: NDArray[np.float32]
    claimed_to_s: NDArray[np.float64]
    claim_count: NDArray[np.int16]
    claimed_by: NDArray[np.int64]
    reserved_from_s: NDArray[np.float64]
    occupied_to_s: NDArray[np.float64]
    expected_arrivals: NDArray[np.float32]
    served_today: NDArray[np.int32]
    failure_rate: NDArray[np.float32]
    prior_rate: NDArray[np.float32]
    fault_count: NDArray[np.int32]
    exposure_days: NDArray[np.float64]
    session_count: NDArray[np.int32]
    charging_s: NDArray[np.float64]
    last_success_at_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.evse_ids)

    def put_stations(self, stations: Iterable[Station]) -> None:
        """Adds or replaces stations, whole; live values of EVSEs that stay are kept."""
        stations = list(stations)
        if stations and all(self._same_places(station) for station in stations):
            self._replace_facts(stations)
            return
        merged = {station.station_id: station for station in self.stations}
        merged.update({station.station_id: station for station in stations})
        kept_rows, live = self.row, {name: getattr(self, name) for name, _, _ in LIVE_COLUMNS}
        faults = {self.evse_ids[row]: code for row, code in self.fault_code.items()}
        self._lay_out(list(merged.values()))
        old = np.array([kept_rows.get(evse_id, -1) for evse_id in self.evse_ids], dtype=np.intp)
        new = np.flatnonzero(old >= 0)
        for name, dtype, initial in LIVE_COLUMNS:
            column = np.full(len(self.evse_ids), initial, dtype=dtype)
            column[new] = live[name][old[new]]
            setattr(self, name, column)
        self.fault_code = {self.row[e]: code for e, code in faults.items() if e in self.row}

    def _same_places(self, station: Station) -> bool:
        """Whether only facts differ from the known station: its EVSEs and plugs are the same."""
        row = self.station_row.get(station.station_id)
        if row is None:
            return False
        known = self.stations[row]
        return (
            (known.latitude_deg, known.longitude_deg, known.payment_methods)
            == (station.latitude_deg, station.longitude_deg, station.payment_methods)
            and [p.pile_id for p in known.piles] == [p.pile_id for p in station.piles]
            and [p.evses for p in known.piles] == [p.evses for p in station.piles]
        )

    def _replace_facts(self, stations: list[Station]) -> None:
        """Takes facts in without moving a row: an agent's greeting must not cost the whole city."""
        self.derived.clear()
        for station in stations:
            self.stations[self.station_row[station.station_id]] = station
            for pile in station.piles:
                self.piles[self.pile_row[pile.pile_id]] = pile

    def put_tariffs(self, tariffs: Iterable[Tariff]) -> None:
        """Adds or replaces tariffs, whole."""
        self.tariffs.update({tariff.tariff_id: tariff for tariff in tariffs})
        self.derived.clear()

    def put_outages(self, outages: Iterable[PlannedOutage]) -> None:
        """Replaces the planned outages."""
        self.outages = list(outages)
        self.derived.pop("outages", None)

    def _lay_out(self, stations: list[Station]) -> None:
        """Sets the fixed columns; the EVSEs of a station are neighbours."""
        self.derived.clear()
        self.alike = None
        self.stations = stations
        self.station_row = {s.station_id: i for i, s in enumerate(stations)}
        self.station_lat_deg = np.array([s.latitude_deg for s in stations], dtype=np.float64)
        self.station_lon_deg = np.array([s.longitude_deg for s in stations], dtype=np.float64)
        self.piles: list[Pile] = [pile for s in stations for pile in s.piles]
        self.pile_row = {pile.pile_id: i for i, pile in enumerate(self.piles)}
        evses = [
            (s_row, self.pile_row[pile.pile_id], evse)
            for s_row, s in enumerate(stations)
            for pile in s.piles
            for evse in pile.evses
        ]
        self.evse_ids = [evse.evse_id for _, _, evse in evses]
        self.row = {evse_id: i for i, evse_id in enumerate(self.evse_ids)}
        self.station = np.array([s for s, _, _ in evses], dtype=np.int32)
        self.pile = np.array([p for _, p, _ in evses], dtype=np.int32)
        counts = np.bincount(self.station, minlength=len(stations)).astype(np.int32)
        self.station_size = counts
        self.station_start = (np.cumsum(counts) - counts).astype(np.int32)
        self.max_power_kw = np.array(
            [max((c.max_power_kw for c in e.connectors), default=0.0) for _, _, e in evses],
            dtype=np.float32,
        )
        self.dc = np.array(
            [any(c.power_type is PowerType.DC for c in e.connectors) for _, _, e in evses],
            dtype=bool,
        )
        self.connector_mask = np.array(
            [_mask(c.standard for c in e.connectors) for _, _, e in evses], dtype=np.int64
        )
        self.payment_mask = np.array([_mask(s.payment_methods) for s in stations], dtype=np.int64)
        self.bay_count = np.array([e.bay_count for _, _, e in evses], dtype=np.int16)

    def apply(self, rows: Rows, heard_at_s: float, order: Order | None = None) -> Changes:
        """Takes rows in; a row older than what is known of its EVSE changes nothing.

        `heard_at_s` is link time; `order` is computed unless given. Gives whose status changed.
        """
        order = order or order_rows(rows)
        evse, last = order.evse, order.index[order.end - 1]
        newer = rows.observed_at_s[last] >= self.observed_at_s[evse]
        if not newer.all():
            evse, last = evse[newer], last[newer]
        if rows.faults:
            self._take_faults(rows)
        before, status, observed = self.status[evse], rows.status[last], rows.observed_at_s[last]
        self.status[evse] = status
        self.source[evse] = rows.source[last]
        self.observed_at_s[evse] = observed
        self.heard_at_s[evse] = heard_at_s
        for name in _VALUES:
            self._take_values(name, rows, evse, last)
        changed = before != status
        turned = evse[changed]
        self.changed_at_s[turned] = observed[changed]
        return Changes(turned, before[changed], status[changed])

    def _take_values(self, name: str, rows: Rows, evse: Index, last: Index) -> None:
        """Takes the newest values of a column; what is absent stays as it was."""
        column = getattr(rows, name)
        if column is None:
            return
        given = column[last]
        present = ~np.isnan(given) if given.dtype.kind == "f" else given >= 0
        if present.all():
            getattr(self, name)[evse] = given
        else:
            getattr(self, name)[evse[present]] = given[present]

    def _take_faults(self, rows: Rows) -> None:
        """Notes faults that began and ended; a row older than the picture says nothing."""
        for row in sorted(rows.faults, key=lambda r: (rows.observed_at_s[r], r)):
            evse = int(rows.evse[row])
            if rows.observed_at_s[row] < self.observed_at_s[evse]:
                continue
            if rows.kind[row] == RecordKind.FAULT_CLEARED:
                self.fault_code.pop(evse, None)
            elif rows.faults[row]:
                self.fault_code[evse] = rows.faults[row]

    def hold(
        self,
        evse: int,
        vehicle: int,
        to_s: float,
        count: int = 1,
        occupied_to_s: float = float("-inf"),
    ) -> None:
        """Notes the live claims of an EVSE: newest car (a hash), end of the last window, number.

        `occupied_to_s` is the end of the claim whose car is plugged in, if there is one.

        Source: US 12,393,974 B2, step 410 (reservation information).
        """
        self.occupied_to_s[evse] = occupied_to_s
        self.claimed_by[evse] = vehicle
        self.claimed_to_s[evse] = to_s
        self.claim_count[evse] = count

    def tell_queue(self, evse: int, waiting: int, at_s: float) -> None:
        """Notes how many cars wait at an EVSE, by the word of a driver who waits there."""
        self.told_queue[evse], self.told_at_s[evse] = waiting, at_s

    def free(self, evse: int) -> None:
        """Notes that an EVSE has no live claim."""
        self.hold(evse, 0, float("-inf"), 0)

    def stale(self, evse: Index, link_now_s: float, stale_after_s: float) -> NDArray[np.bool_]:
        """Which of these EVSEs were not heard of in time; their status counts as UNKNOWN."""
        return np.asarray(link_now_s - self.heard_at_s[evse] > stale_after_s)


def _mask(numbers: Iterable[int]) -> int:
    """Bits of these numbers; one that no column can hold counts as 0, not said."""
    mask = 0
    for number in numbers:
        mask |= 1 << (int(number) if 0 < number < MASK_BITS else 0)
    return mask
