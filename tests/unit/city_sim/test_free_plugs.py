"""What is free at each station, kept as it changes, is what a look at the whole city would find."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.engine import Engine
from city_sim.policies import NearestFree
from city_sim.report import indexes
from city_sim.scenes.named import scene
from city_sim.sites import Sites
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station


def town() -> list[Station]:
    plug = (Connector("1", 19, PowerType.DC, 60.0),)
    return [
        Station(
            name, name, 22.6, 114.0 + n * 0.01,
            tuple(Pile(f"{name}{k}", name, (Evse(f"{name}{k}*1", plug),)) for k in range(size)),
        )
        for n, (name, size) in enumerate((("a", 3), ("b", 1), ("c", 2)))
    ]  # fmt: skip


STEPS = st.tuples(st.sampled_from(["take", "give", "works", "fails"]), st.integers(0, 5))


@given(st.lists(STEPS, max_size=40))
def test_free_rows_are_those_that_work_and_nobody_has(steps: list[tuple[str, int]]) -> None:
    """In any order of plugging in, leaving, failing and mending, and however often each is told."""
    sites, taken, works = Sites(District(town())), [False] * 6, [True] * 6
    for what, row in steps:
        if what in ("take", "give"):
            taken[row] = what == "take"
            sites.take(row) if taken[row] else sites.give(row)
        else:
            works[row] = what == "works"
            sites.put(row, works[row])

    free = [row for row in range(6) if works[row] and not taken[row]]
    assert [row for rows in sites.free for row in rows] == free
    assert sites.usable.tolist() == works


def test_engine_ends_with_what_is_free_as_it_is() -> None:
    """After faults and a blocked bay, the kept lists agree with the plugs and disturbances."""
    demands = [Demand(n * 200.0, 22.6, 114.0, 30.0, charge_s=1_500.0) for n in range(30)]
    disturbances = [
        Disturbance("a0*1", DisturbanceKind.FAULT, 700.0, 2_000.0),
        Disturbance("a1*1", DisturbanceKind.BLOCKED, 900.0),
        Disturbance("c0*1", DisturbanceKind.FAULT, 1_000.0),
    ]
    engine = Engine(town(), demands, NearestFree(), until_s=4_000.0, disturbances=disturbances)

    engine.run()

    works = (engine.faults == 0) & (engine.blocks == 0)
    free = np.flatnonzero(works & (engine.occupant < 0)).tolist()
    assert [row for rows in engine.sites.free for row in rows] == free
    assert not works.all()
    assert (engine.occupant >= 0).any()


def test_same_scene_gives_the_same_outcome_twice() -> None:
    """Streets that fill, failing plugs and drivers who disobey leave nothing to chance."""

    def outcome() -> tuple[object, ...]:
        made = scene("shenzhen-130", 5, cars=120)
        engine = Engine(
            made.stations, made.demands, NearestFree(), until_s=made.until_s,
            disturbances=made.disturbances, travel=made.travel(District(made.stations)),
        )  # fmt: skip
        cars = engine.run()
        return engine.events, indexes(cars, engine.district.served_today)

    assert outcome() == outcome()
