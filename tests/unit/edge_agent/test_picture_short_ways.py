"""What the picture leaves out for speed is nothing that it would have told."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.occupancy import FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import (
    EvseStatus,
    Fault,
    IecState,
    Reading,
    Record,
    StatusSource,
    Values,
)

NOW_MS = 1_790_000_000_000
RULES = FusionRules(3.0, 5.0, 2.0)
STATES = (
    (EvseStatus.AVAILABLE, IecState.A, False),
    (EvseStatus.CHARGING, IecState.C, True),
    (EvseStatus.CHARGING, IecState.B, None),
    (EvseStatus.OUTOFORDER, IecState.F, None),
    (EvseStatus.UNKNOWN, IecState.UNSPECIFIED, None),
)

readings = st.builds(
    lambda state, power_kw, energy_kwh, faults, suspect: Reading(
        "E",
        state[0],
        StatusSource.MODBUS,
        state[1],
        values=Values(power_kw=power_kw, energy_kwh=energy_kwh),
        faults=faults,
        plugged=state[2],
        suspect=suspect,
    ),
    st.sampled_from(STATES),
    st.sampled_from([None, 0.0, 7.0, 7.05, 11.0]),
    st.sampled_from([None, 1.0, 1.05, 1.2, 500.0]),
    st.sampled_from([(), (Fault("GroundFailure"),)]),
    st.sampled_from([False] * 9 + [True]),
)
steps = st.one_of(
    st.tuples(st.just("pile"), st.integers(0, 3)),
    st.tuples(st.just("pile"), st.integers(0, 3)),
    st.tuples(st.just("bay"), st.booleans()),
    st.tuples(st.just("queue"), st.integers(0, 1)),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("tick"), st.just(0)),
)


def make() -> LivePicture:
    numbers = count(1)
    made = LivePicture({"E": RULES}, heartbeat_s=4.0, new_id=lambda: f"s{next(numbers)}")
    made.start(0.0)
    return made


def play(picture: LivePicture, step: str, said: Reading | int, now_s: float) -> list[Record]:
    at_ms = NOW_MS + round(now_s * 1000)
    if isinstance(said, Reading):
        return picture.observe(said, now_s, at_ms)
    if step == "bay":
        return picture.bay("E", bool(said), now_s, now_s, at_ms)
    if step == "queue":
        return picture.queue("E", said, now_s, now_s, at_ms)
    if step == "lose":
        return picture.lose("E", "CONNECTION_LOST", now_s, at_ms)
    return picture.tick(now_s, at_ms)


@pytest.mark.slow
@given(
    st.lists(readings, min_size=4, max_size=4),
    st.lists(st.tuples(steps, st.sampled_from([0.25, 0.5, 1.0, 3.5])), max_size=40),
)
def test_short_ways_tell_what_the_long_way_tells(
    said: list[Reading], events: list[tuple[tuple[str, int], float]]
) -> None:
    """Words that are judged in full each time, and words of which only news are, tell the same."""
    short, long = make(), make()
    for picture in (short, long):
        picture.observe(said[0], 0.0, NOW_MS)
    now_s = 0.0
    for (step, which), pause_s in events:
        now_s += pause_s
        word = said[which] if step == "pile" else which
        told = play(short, step, word, now_s)
        long.set_rules("E", RULES)  # judges everything anew, whatever was said
        if isinstance(word, Reading):
            word = replace(word)

        assert told == play(long, step, word, now_s)


def test_unchanged_words_keep_a_pile_believed() -> None:
    """A pile that says the same again is not silent, however long nothing is judged anew."""
    picture = make()
    reading = Reading("E", EvseStatus.CHARGING, StatusSource.MODBUS, IecState.C, plugged=True)
    told = [picture.observe(reading, second / 2, NOW_MS) for second in range(40)]
    told += [picture.tick(19.5 + 2.9, NOW_MS)]

    assert {record.status for records in told for record in records} == {EvseStatus.CHARGING}
    assert picture.tick(19.5 + 3.0, NOW_MS)[0].status is EvseStatus.UNKNOWN
