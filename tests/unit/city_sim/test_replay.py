"""The replay of a feed: drivers of real onsets, decisions without the future, figures."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_feed import BEGIN_S, HOUR_S, SmallFeed, small_feed

from city_sim.replay import command
from city_sim.replay.deciding import NEAREST, NEAREST_FREE, OURS, POLICIES, AsNow, Decision
from city_sim.replay.drivers import Driver, drivers
from city_sim.replay.fast import FARTHEST_KM, Brains, Made, decisions
from city_sim.replay.feed import Feed, instant, read_feed, read_plugs
from city_sim.replay.network import KINDS, network
from city_sim.replay.scoring import interval, scored, state_met, table
from city_sim.replay.timeline import AVAILABLE, OCCUPIED, OUT_OF_SERVICE, Timeline
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach
from coordinator.core.roads import EstimatedRoads

DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
IRELAND = DATA / "ireland"


def replayed(
    made: SmallFeed,
    feed: Feed | None = None,
    asking: list[Driver] | None = None,
    own_plug: bool = False,
) -> Made:
    """Decisions on a small feed, by the rules alone."""
    plugs = read_plugs(made.connectors, tuple(KINDS))
    net, whole = network(plugs), read_feed(made.intervals, plugs)
    if asking is None:
        asking = asking_in(made)
    return decisions(net, [feed or whole], asking, Brains(), own_plug=own_plug)


def asking_in(made: SmallFeed, seed: int = 7) -> list[Driver]:
    plugs = read_plugs(made.connectors, tuple(KINDS))
    feed = read_feed(made.intervals, plugs)
    span_s = feed.from_s, feed.to_s - HOUR_S
    return drivers(plugs, network(plugs), feed, EstimatedRoads(), seed, span_s)


@pytest.mark.slow
def test_driver_arrives_at_the_own_plug_when_it_was_taken(tmp_path: Path) -> None:
    """Who asked so many minutes before an onset gets there at the onset, at the speed of then."""
    made = small_feed(tmp_path, days=1)

    own = [
        (driver, one)
        for driver, choices in replayed(made, own_plug=True)
        for one in choices.values()
        if one.plug == driver.plug
    ]
    assert len(own) > 10
    assert all(abs(one.arrives_s - driver.came_s) < 0.5 for driver, one in own)
    assert all(driver.asks_s < driver.came_s for driver, _ in own)


@pytest.mark.slow
def test_own_plug_is_nobodys_candidate_unless_asked_for(tmp_path: Path) -> None:
    """The plug that a driver took was free by construction: nobody is praised for naming it."""
    made = small_feed(tmp_path, days=1)

    without, within = replayed(made), replayed(made, own_plug=True)

    assert not any(one.plug in d.own for d, choices in without for one in choices.values())
    assert any(choices[OURS].plug in driver.own for driver, choices in within)
    assert len(without) < len(within)  # some have no other plug


def test_one_car_that_blocks_two_plugs_is_one_driver(tmp_path: Path) -> None:
    """Plugs of one post taken in one instant were taken by one car, for whom both stay free."""
    asking = asking_in(small_feed(tmp_path, days=1))

    at_rapid = [driver for driver in asking if driver.plug < 4]
    assert at_rapid
    assert all(len(driver.own) == 2 for driver in at_rapid)
    assert len({(d.came_s, d.own) for d in asking}) == len(asking)


def test_drivers_are_the_same_twice_and_others_by_another_seed(tmp_path: Path) -> None:
    """Who asks where depends on the seed alone."""
    made = small_feed(tmp_path, days=1)

    assert asking_in(made) == asking_in(made)
    assert asking_in(made) != asking_in(made, seed=8)


@pytest.mark.slow
def test_later_states_change_no_decision(tmp_path: Path) -> None:
    """With everything after noon turned round, whoever asked before noon is sent to the same."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    feed, noon_s = read_feed(made.intervals, plugs), BEGIN_S + 12 * HOUR_S
    lines = tuple(turned_round(line, noon_s) for line in feed.lines)
    early = [driver for driver in asking_in(made) if driver.asks_s < noon_s]

    really = replayed(made, feed, early)
    otherwise = replayed(made, replace(feed, lines=lines), early)

    assert len(early) > 5
    assert [plugs_of(one) for one in really] == [plugs_of(one) for one in otherwise]
    chances = [[pair[1][OURS].p_success for pair in both] for both in (really, otherwise)]
    assert chances[0] == chances[1]


def turned_round(line: Timeline, from_s: float) -> Timeline:
    """The same until then; after it what was free is broken, and the other way round."""
    early, late = line.between(0.0, from_s), line.between(from_s, float("inf"))
    flipped = np.where(late.states == AVAILABLE, OUT_OF_SERVICE, AVAILABLE)
    return Timeline(
        np.concatenate([early.starts, late.starts]),
        np.concatenate([early.ends, late.ends]),
        np.concatenate([early.states, flipped]),
    )


def plugs_of(pair: tuple[Driver, dict[str, Decision]]) -> list[int]:
    return [one.plug for one in pair[1].values()]


@pytest.mark.slow
def test_earlier_states_do_change_decisions(tmp_path: Path) -> None:
    """What was said before the request counts: where one post is broken nobody is sent to it."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    feed = read_feed(made.intervals, plugs)
    broken = replace(feed.lines[0], states=np.full(len(feed.lines[0].states), OUT_OF_SERVICE))
    asking = [driver for driver in asking_in(made) if driver.plug == 0]

    told = replace(feed, lines=(broken, *feed.lines[1:]))
    choices = replayed(made, told, asking, own_plug=True)

    assert asking
    for _, one in choices:
        assert one[OURS].plug != 0
        assert one[NEAREST_FREE].plug != 0


@pytest.mark.slow
def test_every_candidate_is_near_and_fits(tmp_path: Path) -> None:
    """No policy sends anybody farther than 10 km or to a plug that does not fit."""
    made = small_feed(tmp_path, days=1)
    net = network(read_plugs(made.connectors, tuple(KINDS)))

    choices = replayed(made)

    assert choices
    for driver, one in choices:
        assert set(one) == set(POLICIES)
        assert all(choice.km <= FARTHEST_KM for choice in one.values())
        assert all(net.standard[choice.plug] == driver.standard for choice in one.values())
        assert one[NEAREST].km == min(choice.km for choice in one.values())


def test_as_now_takes_the_present_for_the_arrival() -> None:
    """What is free now is free then; what is broken or silent is not counted on."""
    status = np.array([[EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.UNKNOWN]], np.int8)
    nothing = np.zeros((1, 3))

    works, free = AsNow().chances(
        Approach(status, nothing > 0, nothing, nothing, nothing, nothing[:, :1], nothing, nothing)
    )

    assert works.tolist() == [[1.0, 1.0, 0.0]]
    assert free.tolist() == [[1.0, 0.0, 1.0]]


def test_success_is_judged_by_what_followed(tmp_path: Path) -> None:
    """Working and free on arrival is a success; a plug taken meanwhile is none, but by oneself."""
    made = small_feed(tmp_path, days=1)
    plugs = read_plugs(made.connectors, tuple(KINDS))
    net, feed = network(plugs), read_feed(made.intervals, plugs)
    driver = next(one for one in asking_in(made) if one.plug in (0, 1))
    came = driver.came_s
    stranger = replace(driver, own=())

    mine, theirs = Decision(driver.plug, came, 1.0), Decision(driver.plug, came, 1.0, 0.9)

    assert state_met(feed, driver, mine) == AVAILABLE
    assert state_met(feed, stranger, theirs) == OCCUPIED
    rows = scored(feed, net, [(driver, dict.fromkeys(POLICIES, mine)),
                              (stranger, dict.fromkeys(POLICIES, theirs))])  # fmt: skip
    assert table(rows)[OURS]["first_try_success"] == 0.5
    assert table(rows)[OURS]["own_plug_share"] == 0.5


def test_interval_widens_where_requests_of_a_site_agree() -> None:
    """Ten sites that each say the same ten times are ten witnesses, not a hundred."""
    values = np.repeat([1.0, 0.0], 50)
    of_ten = np.repeat(np.arange(10), 10)

    few, many = interval(values, of_ten, 7), interval(values, np.arange(100), 7)

    assert few[1] - few[0] > 2.0 * (many[1] - many[0])


def test_history_may_not_reach_into_what_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A history that ends later than the replay begins is refused with words, and exit code 3."""
    made = small_feed(tmp_path, days=1)
    late = made.cut(tmp_path, 10.0, 24.0, "late.csv")

    files = {
        "--connectors": made.connectors, "--history": made.intervals, "--intervals": late,
    }  # fmt: skip
    code = command.main(["--fast", *(str(part) for pair in files.items() for part in pair)])

    assert code == 3
    assert "would tell the future" in capsys.readouterr().err


@pytest.mark.slow
def test_history_file_and_date_give_the_same_judgement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Learning from a file until noon of the second day is learning from it cut there."""
    made = small_feed(tmp_path, days=3)
    early, late = (
        made.cut(tmp_path, 0.0, 36.0, "early.csv"), made.cut(tmp_path, 36.0, 72.0, "late.csv"),
    )  # fmt: skip
    common = ["--connectors", str(made.connectors), "--fast", "--json"]
    told = []
    for more in (
        ["--history", str(early), "--intervals", str(late)],
        ["--history-until", "2030-03-05 12:00:00", "--intervals", str(made.intervals)],
    ):
        assert command.main(common + more) == 0
        told.append(json.loads(capsys.readouterr().out.splitlines()[-1]))

    for key in ("first_try_success", "nearest_free_first_try_success", "gain", "gain_ci_low",
                "gain_ci_high", "mean_extra_km"):  # fmt: skip
        assert isinstance(told[0][key], float)
    assert told[0]["requests"] > 20
    assert told[0]["policies"] == told[1]["policies"]


@pytest.mark.slow
def test_report_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page names the policies, the gain and the command, and no folder of the machine."""
    made = small_feed(tmp_path, days=1)
    files = {
        "--connectors": made.connectors, "--intervals": made.intervals, "--report": tmp_path / "r",
    }  # fmt: skip

    assert command.main(["--fast", *(str(part) for pair in files.items() for part in pair)]) == 0

    page = (tmp_path / "r" / "report.html").read_text()
    assert all(name in page for name in POLICIES)
    assert "pilewise city replay --fast --connectors connectors.csv" in page
    assert str(tmp_path) not in page
    assert "report: " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not IRELAND.is_dir(), reason="hint: needs ../shared/data or PILEWISE_DATA")
def test_real_feed_is_replayed() -> None:
    """Half a day of the Irish feed: nobody is sent far, and what is told holds the figures."""
    plugs = read_plugs(IRELAND / "connectors.csv", tuple(KINDS))
    whole, net = read_feed(IRELAND / "status_intervals.csv.gz", plugs), network(plugs)
    span_s = instant("2018-11-09T06:00"), instant("2018-11-09T18:00")
    feed = Feed(tuple(line.between(*span_s) for line in whole.lines), *span_s)
    asking = drivers(plugs, net, feed, EstimatedRoads(), 7, (span_s[0] + HOUR_S, span_s[1]), 60)

    told = command.summed(scored(whole, net, decisions(net, [feed], asking, Brains())), 7)

    assert 10 <= told["requests"] <= 60
    assert told["mean_extra_km"] <= 2.0
    assert told["policies"]["nearest"]["mean_extra_km"] == 0.0
    assert told["first_try_success"] > told["policies"]["nearest"]["first_try_success"]
