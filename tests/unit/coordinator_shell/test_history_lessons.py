"""What rows teach: exposure, sessions, and outages with their debounce."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.district import District
from coordinator.core.history import DEBOUNCE_S, SILENCE_S, History
from coordinator.core.pile import Evse, EvseStatus, Pile, PlannedOutage, RecordKind, Station
from coordinator.core.rows import Rows

FREE, BUSY, BROKEN = EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.OUTOFORDER
UNKNOWN = EvseStatus.UNKNOWN
T0 = 1_790_000_000.0


def district() -> District:
    evses = tuple(Evse(f"P1*{n}", ()) for n in (1, 2))
    return District([Station("S1", "One", 22.5, 114.0, (Pile("P1", "S1", evses),))])


def rows(
    given_rows: Sequence[tuple[float, EvseStatus]], evse: int = 0, code: str = "", **values: object
) -> Rows:
    """Rows of one EVSE at these seconds after `T0`."""
    kind = np.full(len(given_rows), RecordKind.STATUS, np.int8)
    faults = {}
    if code:
        kind[-1] = RecordKind.FAULT
        faults = {len(given_rows) - 1: code}
    return Rows(
        evse=np.full(len(given_rows), evse, np.intp),
        kind=kind,
        observed_at_s=np.array([T0 + at for at, _ in given_rows]),
        status=np.array([status for _, status in given_rows], np.int8),
        source=np.ones(len(given_rows), np.int8),
        faults=faults,
        **{name: np.array(column) for name, column in values.items()},  # type: ignore[arg-type]
    )


def learn(place: District, history: History, *parts: Rows) -> list[object]:
    """Sessions that the parts began and ended, learnt one after another."""
    found: list[object] = []
    for part in parts:
        found += history.learn(place, part)
        place.apply(part, 0.0)
    return found


def test_time_in_use_is_exposure_and_silence_is_not() -> None:
    """Time between rows counts where the pile could fail; a gap over 15 min does not."""
    place = district()
    learn(
        place,
        History(),
        rows([(0, FREE), (600, BUSY), (900, UNKNOWN), (1_200, FREE)]),
        rows([(1_200 + SILENCE_S + 1, FREE)]),
    )

    assert place.exposure_days[0] * 86_400 == pytest.approx(900)
    assert place.charging_s[0] == pytest.approx(300)
    assert place.exposure_days[1] == 0


def test_a_session_runs_from_plug_in_to_plug_out() -> None:
    """Energy is the difference of the register; a silent moment does not end the session."""
    place = district()
    began, ended = learn(
        place,
        History(),
        rows([(0, FREE), (60, BUSY)], energy_kwh=[100.0, 100.0], soc_pct=[np.nan, 30.0]),
        rows([(120, UNKNOWN), (180, BUSY)], energy_kwh=[np.nan, 103.0]),
        rows([(240, FREE)], energy_kwh=[107.5], soc_pct=[80.0]),
    )

    assert (began.started_at_s, began.ended_at_s) == (T0 + 60, None)  # type: ignore[attr-defined]
    assert ended.ended_at_s == T0 + 240  # type: ignore[attr-defined]
    assert ended.energy_kwh == pytest.approx(7.5)  # type: ignore[attr-defined]
    assert (ended.start_soc_pct, ended.end_soc_pct) == (30.0, 80.0)  # type: ignore[attr-defined]
    assert place.session_count[0] == place.served_today[0] == 1
    assert place.last_success_at_s[0] == T0 + 240


def test_a_fault_ends_a_session_without_success() -> None:
    """The session says that a fault ended it, and the pile has no success from it."""
    place = district()
    sessions = learn(place, History(), rows([(0, BUSY), (60, BROKEN)], code="CX003"))

    assert sessions[-1].ended_by_fault  # type: ignore[attr-defined]
    assert not np.isfinite(place.last_success_at_s[0])


@pytest.mark.parametrize(("pause_s", "onsets"), [(DEBOUNCE_S - 1, 1), (DEBOUNCE_S, 2)])
def test_an_outage_that_comes_back_soon_is_the_same(pause_s: float, onsets: int) -> None:
    """Under 30 min of service between them, two outages count as one."""
    place = district()
    learn(
        place,
        History(),
        rows([(0, FREE), (10, BROKEN), (20, FREE), (20 + pause_s, BROKEN)]),
    )

    assert place.fault_count[0] == onsets


def test_faults_of_the_link_are_no_outages() -> None:
    """A communication fault teaches nothing about the pile; nor does silence."""
    place = district()
    learn(
        place,
        History(),
        rows([(0, FREE), (10, BROKEN)], code="CX013"),
        rows([(20, FREE), (30, UNKNOWN), (40, FREE)]),
        rows([(0, FREE), (10, BROKEN)], evse=1, code="CX003"),
    )

    assert place.fault_count.tolist() == [0, 1]


@pytest.mark.parametrize(("at_s", "onsets"), [(59.0, 1), (60.0, 0), (119.0, 0), (120.0, 1)])
@pytest.mark.parametrize("scope", [{"evse_id": "P1*1"}, {"station_id": "S1"}])
def test_a_planned_outage_is_no_failure(at_s: float, onsets: int, scope: dict[str, str]) -> None:
    """An EVSE that stops inside its window was meant to; outside it failed."""
    place = district()
    place.put_outages([PlannedOutage(T0 + 60.0, T0 + 120.0, **scope)])

    learn(place, History(), rows([(0, FREE), (at_s, BROKEN)]))

    assert place.fault_count.tolist() == [onsets, 0]


def test_late_history_teaches_nothing_twice() -> None:
    """Rows older than the picture change neither counts nor sessions."""
    place, history = district(), History()
    part = rows([(0, FREE), (60, BUSY), (120, FREE)])
    learn(place, history, part)
    before = (place.exposure_days[0], place.session_count[0], place.charging_s[0])

    assert learn(place, history, rows([(-60, BUSY), (30, BROKEN), (90, BUSY)])) == []
    assert (place.exposure_days[0], place.session_count[0], place.charging_s[0]) == before


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from([FREE, BUSY, BROKEN, UNKNOWN])),
        min_size=1,
        max_size=30,
        unique_by=lambda row: row[0],
    ),
    st.integers(1, 29),
)
def test_grouping_does_not_change_what_is_learnt(
    given_rows: list[tuple[int, EvseStatus]], cut: int
) -> None:
    """Rows in order teach the same, whether they come in one group or in two."""
    ordered = sorted((float(at), status) for at, status in given_rows)
    whole, parts = district(), district()
    learn(whole, History(), rows(ordered))
    pieces = [piece for piece in (ordered[:cut], ordered[cut:]) if piece]
    learn(parts, History(), *(rows(piece) for piece in pieces))

    for name in ("exposure_days", "charging_s", "fault_count", "session_count", "status"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), err_msg=name)
