"""Plugs that fail: how many, which, and for how long."""

import numpy as np
import pytest

from city_sim.scenes.ageing import ONSETS_PER_H, OUT_SHARE, faults, hazard, repair_s, stops
from city_sim.scenes.named import SceneOptions, scene

IDS = [f"p{n}*1" for n in range(20_000)]


def test_as_many_fail_as_in_the_network_they_are_taken_from() -> None:
    """The share that is out throughout, and the onsets an hour among the others."""
    made = faults(IDS, 0.0, 4 * 3600.0, np.random.default_rng(1))

    out = [fault for fault in made if fault.to_s == float("inf")]
    fails = [fault for fault in made if fault.to_s != float("inf")]
    assert len(out) / len(IDS) == pytest.approx(OUT_SHARE, rel=0.1)
    assert len(fails) / len(IDS) / 4.0 == pytest.approx(ONSETS_PER_H, rel=0.25)
    assert all(0.0 <= fault.from_s < 4 * 3600.0 for fault in fails)
    assert not {fault.evse_id for fault in out} & {fault.evse_id for fault in fails}


def test_repairs_are_short_or_very_long() -> None:
    """Median about 25 minutes and mean above two hours, as in the feed."""
    hours = repair_s(50_000, np.random.default_rng(2)) / 3600.0

    assert np.median(hours) == pytest.approx(0.42, abs=0.06)
    assert hours.mean() == pytest.approx(2.4, abs=0.3)


def test_older_plugs_fail_more_often() -> None:
    """The hazard grows with age, the slower the older, as a Weibull law with 1.4 has it."""
    one, three, eight = hazard(np.array([1.0, 3.0, 8.0])).tolist()

    assert one < three < eight
    assert eight / one == pytest.approx(8.0**0.4)


def test_stations_that_stop_do_so_whole() -> None:
    """A share of the stations stops, all plugs at one instant, within the window."""
    plugs = [["a1", "a2"], ["b1"], ["c1", "c2"], ["d1"]]
    made = stops(plugs, 0.5, 100.0, 200.0, np.random.default_rng(3))

    assert len({fault.evse_id[0] for fault in made}) == 2
    for name in {fault.evse_id[0] for fault in made}:
        assert len({fault.from_s for fault in made if fault.evse_id[0] == name}) == 1
    assert all(120.0 <= fault.from_s <= 180.0 for fault in made)


def test_scene_takes_the_shares_it_is_given() -> None:
    """Who disobeys, who is a VIP, who comes unasked and which stations stop is as asked."""
    options = SceneOptions(walk_in_share=0.2, disobey_share=0.3, vip_share=0.5, failing_share=0.25)
    made = scene("shenzhen-260", 1, options=options)

    def share(name: str) -> float:
        return float(np.mean([getattr(demand, name) for demand in made.demands]))

    assert share("walk_in") == pytest.approx(0.2, abs=0.05)
    assert share("disobeys") == pytest.approx(0.3 * 0.8, abs=0.05)
    assert share("vip") == pytest.approx(0.5, abs=0.05)
    assert len({fault.evse_id.split("-")[0] for fault in made.disturbances}) == 5
    usual = scene("shenzhen-260", 1)
    assert 0 < len(usual.disturbances) < 80
    assert {fault.evse_id for fault in usual.disturbances} != {
        fault.evse_id for fault in scene("shenzhen-260", 2).disturbances
    }
