"""Pairs of users: both groups are there, and nothing of a label is known to its inputs."""

from dataclasses import replace

import numpy as np
import pytest
from hand_journeys import camps

from coordinator.core.recommend.portrait import STATISTICS
from training.journeys import Journeys, generate_journeys
from training.pairs import (
    NEAR_IN_BASICS,
    NEAR_IN_PLACE,
    Pairs,
    PairSettings,
    draw_pairs,
    joined,
    like_basics,
    likeness,
    near_requests,
    rows_before,
    station_likeness,
)

SETTINGS = PairSettings(per_cut=400)


def drawn(journeys: Journeys, cut_s: float, until_s: float) -> Pairs:
    return draw_pairs(journeys, cut_s, until_s, np.random.default_rng(4), SETTINGS)


def elsewhere(journeys: Journeys, rows: np.ndarray) -> Journeys:
    """The same journeys, but at some rows another station was taken."""
    station = journeys.station.copy()
    station[rows] = (station[rows] + 3) % 8
    return replace(journeys, station=station)


def test_inputs_know_nothing_of_what_comes_after_the_cut() -> None:
    """Other choices after the cut leave every input as it was; others before it do not."""
    journeys = camps()
    cut_s, end_s = journeys.time(0.5), float(journeys.at_s[-1])
    after = journeys.at_s > cut_s

    before = drawn(journeys, cut_s, end_s)
    later_changed = drawn(elsewhere(journeys, after), cut_s, end_s)
    earlier_changed = drawn(elsewhere(journeys, ~after), cut_s, end_s)

    assert np.array_equal(before.rows, later_changed.rows)
    assert not np.array_equal(before.rows, earlier_changed.rows)


def test_labels_come_only_from_after_the_cut() -> None:
    """Other choices before the cut leave every label of every pair as it was."""
    journeys = camps()
    cut_s, end_s = journeys.time(0.5), float(journeys.at_s[-1])
    some = np.random.default_rng(2).random(len(journeys)) < 0.5
    after = journeys.at_s > cut_s

    before = drawn(journeys, cut_s, end_s)
    earlier_changed = drawn(elsewhere(journeys, some & ~after), cut_s, end_s)
    later_changed = drawn(elsewhere(journeys, some & after), cut_s, end_s)

    assert np.array_equal(before.first, earlier_changed.first)
    assert np.array_equal(before.likeness, earlier_changed.likeness)
    for group in (NEAR_IN_PLACE, NEAR_IN_BASICS):
        own = before.group == group
        assert not np.array_equal(before.likeness[own], later_changed.likeness[own])


def test_choice_at_the_cut_is_history_and_none_after_the_end_is_seen() -> None:
    """The instant of the cut belongs to the inputs alone, what follows `until` to nothing."""
    journeys = camps()
    row = len(journeys) // 2
    cut_s, until_s = float(journeys.at_s[row]), journeys.time(0.8)
    at_cut = journeys.at_s == cut_s

    whole = drawn(journeys, cut_s, until_s)
    moved = drawn(elsewhere(journeys, at_cut), cut_s, until_s)
    beyond = drawn(elsewhere(journeys, journeys.at_s > until_s), cut_s, until_s)

    assert np.array_equal(whole.likeness, moved.likeness)
    assert not np.array_equal(whole.rows, moved.rows)
    assert np.array_equal(whole.likeness, beyond.likeness)


def test_both_groups_are_drawn_in_their_shares() -> None:
    """So many pairs are near in place as the setting says, the others near in basics."""
    journeys = camps()
    settings = replace(SETTINGS, place_share=0.25)
    rng = np.random.default_rng(4)

    pairs = draw_pairs(journeys, journeys.time(0.5), journeys.time(1.0), rng, settings)

    assert (pairs.group == NEAR_IN_PLACE).sum() == 100
    assert (pairs.group == NEAR_IN_BASICS).sum() == 300
    assert pairs.likeness.dtype == np.float32
    assert ((pairs.likeness >= 0) & (pairs.likeness <= 1)).all()
    assert pairs.likeness.std() > 0.1


@pytest.mark.parametrize("near_km", [0.2, 1.0])
def test_first_group_asked_near_each_other(near_km: float) -> None:
    """Requests of a pair are no further apart than told, and of two users."""
    journeys = camps()
    asked = np.flatnonzero(journeys.at_s > journeys.time(0.5))

    one, other = near_requests(
        journeys, asked, 300, np.random.default_rng(1), replace(SETTINGS, near_km=near_km)
    )

    km = np.hypot(
        journeys.north_km[one] - journeys.north_km[other],
        journeys.east_km[one] - journeys.east_km[other],
    )
    assert len(one) == 300
    assert km.max() <= near_km
    assert km.max() > 0.8 * near_km
    assert (journeys.user[one] != journeys.user[other]).all()
    assert set(one) | set(other) <= set(asked)


def test_second_group_is_alike_in_basics() -> None:
    """The cosine of models and habits is at least the threshold: exactly 0.8 is in, less is out."""
    basics = np.zeros((4, 25), dtype=np.float32)
    basics[0, :16] = 1.0
    basics[1, :25] = 1.0  # cosine 4/5 with the first
    basics[2, 24] = 1.0  # cosine 1/5 with the second
    chose = np.array([True, True, True, True])

    first, second = like_basics(basics, chose, 100, np.random.default_rng(1), SETTINGS)
    nobody = like_basics(basics, ~chose, 100, np.random.default_rng(1), SETTINGS)

    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(0, 1), (1, 0)}
    assert len(nobody[0]) == 0


def test_some_pairs_have_a_user_without_history() -> None:
    """The share told has a first user of whom only models and habits are known."""
    journeys = camps()
    cut_s = journeys.time(0.5)

    pairs = drawn(journeys, cut_s, float(journeys.at_s[-1]))

    statistics = pairs.rows[pairs.first][:, : len(STATISTICS)]
    new = ~statistics.any(axis=1)
    assert new.mean() == pytest.approx(SETTINGS.new_share, abs=0.06)
    assert pairs.rows[pairs.first[new], len(STATISTICS) :].any(axis=1).all()
    assert pairs.rows[pairs.second, 0].all()
    assert np.array_equal(pairs.rows[: len(journeys.users)], rows_before(journeys, cut_s))


def test_likeness_knows_which_stations_are_alike() -> None:
    """The same station is 1, one nearby of the same current more than one far away or of another;
    the matrix is positive definite, so that no likeness is beyond 1."""
    journeys = camps()
    alike = station_likeness(journeys.stations, SETTINGS)
    one = np.eye(8)

    same, near, far = (likeness(one[[0]], one[[k]], alike)[0] for k in (0, 1, 4))

    assert same == pytest.approx(1.0)
    assert 1.0 - SETTINGS.same_share >= near > 0.1
    assert far == 0.0
    assert np.linalg.eigvalsh(alike).min() > 0
    assert likeness(one[[0]], one[[1]], alike) == likeness(one[[1]], 7 * one[[0]], alike)
    assert likeness(0 * one[[0]], one[[1]], alike)[0] == 0.0


def test_pairs_of_several_cities_keep_their_rows() -> None:
    """Joined pairs point at the same numbers as before."""
    parts = [drawn(camps(seed=n), 36_000.0, 1e9) for n in (1, 2)]

    both = joined(parts)

    assert len(both) == sum(map(len, parts))
    expected = np.concatenate([part.rows[part.second] for part in parts])
    assert np.array_equal(both.rows[both.second], expected)


@pytest.mark.slow
def test_generated_drivers_depend_on_the_seed_and_say_what_they_drive() -> None:
    """The same seed gives the same journeys; words of one city mean nothing in another."""
    first, again = (generate_journeys(5, 0, 2, 40, 20) for _ in range(2))
    other = generate_journeys(5, 1, 2, 40, 20)

    assert first.sha256() == again.sha256() != other.sha256()
    assert len(first) > 60
    assert (np.diff(first.at_s) >= 0).all()
    assert not {u.vehicle_model for u in first.users} & {u.vehicle_model for u in other.users}
    assert {name for u in first.users for name in u.habits} == {"pace0", "money0"}
    asked_km = np.hypot(first.north_km, first.east_km)
    assert asked_km.max() < 15
