"""Planned outages as windows of EVSEs: a stay may meet any of them, not only the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_brain import district_of, station

from coordinator.core.district import District
from coordinator.core.outages import meets, windows
from coordinator.core.pile import PlannedOutage

HOUR_S = 3_600.0


def town() -> District:
    return district_of([station("A", 1.0, 2), station("B", 2.0)], 0.0, 0.0)


@pytest.mark.parametrize(
    ("from_h", "to_h", "met"),
    [(0.0, 1.0, False), (1.5, 1.6, True), (2.0, 5.0, False), (4.0, 6.0, True), (6.5, 8.5, True)],
)
def test_stay_meets_the_second_window_too(from_h: float, to_h: float, met: bool) -> None:
    """An outage in an hour does not hide the one of the afternoon."""
    district = town()
    district.put_outages(
        [
            PlannedOutage(5 * HOUR_S, 6 * HOUR_S, "A-1*1"),
            PlannedOutage(1 * HOUR_S, 2 * HOUR_S, station_id="A"),
            PlannedOutage(8 * HOUR_S, 9 * HOUR_S, station_id="A"),
        ]
    )
    stay = np.array([from_h * HOUR_S]), np.array([to_h * HOUR_S])

    assert meets(district, np.array([district.row["A-1*1"]]), *stay, 0.0).tolist() == [met]
    assert not meets(district, np.array([district.row["B-1*1"]]), *stay, 0.0)[0]


def test_window_that_is_over_is_dropped() -> None:
    """Once the first is over, the second one is the next."""
    district = town()
    district.put_outages([PlannedOutage(10.0, 20.0, "B-1*1"), PlannedOutage(30.0, 40.0, "B-1*1")])
    row = district.row["B-1*1"]

    assert [begin_s[row] for begin_s, _ in windows(district, 0.0)] == [10.0, 30.0]
    assert [begin_s[row] for begin_s, _ in windows(district, 20.0)] == [30.0]


_INSTANT = st.integers(0, 40)
_WINDOW = st.builds(
    lambda from_s, length_s, name: PlannedOutage(
        from_s, from_s + length_s, **({"station_id": name} if name in "AB" else {"evse_id": name})
    ),
    _INSTANT,
    st.integers(1, 10),
    st.sampled_from(["A", "B", "A-1*1", "A-2*1", "B-1*1"]),
)


@given(st.lists(_WINDOW, max_size=12), _INSTANT, st.integers(1, 10), st.integers(0, 20))
def test_stay_meets_exactly_what_overlaps_it(
    plan: list[PlannedOutage], from_s: int, length_s: int, now_s: int
) -> None:
    """Layers of windows say what looking at every outage would."""
    district = town()
    district.put_outages(plan)
    evse = np.arange(len(district))
    begins, ends = (np.full(len(evse), float(at)) for at in (from_s, from_s + length_s))

    met = meets(district, evse, begins, ends, float(now_s))

    for row, evse_id in enumerate(district.evse_ids):
        mine = [o for o in plan if evse_id in (o.evse_id,) or (o.station_id == evse_id[0])]
        assert met[row] == any(
            o.from_s < from_s + length_s and o.to_s > from_s and o.to_s > now_s for o in mine
        )
