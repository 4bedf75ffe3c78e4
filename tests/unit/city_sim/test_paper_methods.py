"""The paper's four methods on scenes small enough to work out by hand, and the laws they run on."""

import numpy as np
import pytest

from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.errors import OptionInvalid
from city_sim.paper.instance import FLOOR_KM, Instance, draw
from city_sim.paper.methods import integrated, methods, preferences
from city_sim.paper.sizes import SIZES, Size, size_of
from coordinator.core.recommend import preference, traffic

# Two cars at either end of a street of 4 km, a pile at 1 km, one at 3 km.
STREET = Instance(
    size=Size("street", 2, 2, 1, 1),
    whole=False,
    cars_km=np.array([[0.0, 0.0], [4.0, 0.0]]),
    stations_km=np.array([[1.0, 0.0], [3.0, 0.0]]),
    distance_km=np.array([[1.0, 3.0], [3.0, 1.0]]),
    counts=np.array([[1.0, 9.0], [2.0, 1.0]]),
    load=np.array([[4.0, 2.0], [5.0, 1.0]]),
    left_kwh=np.array([30.0, 30.0]),
)


def test_each_method_takes_the_pile_of_its_own_factor() -> None:
    """Distance 1 against 3, preference 1 against 3, load 4 against 2: worked out by hand."""
    chosen = {name: way(STREET).tolist() for name, way in methods().items()}

    assert preferences(STREET).round(3).tolist() == [[1.0, 3.0], [0.667, 1.0]]
    assert chosen == {
        "distance": [0, 1], "preference": [1, 1], "traffic": [1, 1], "integrated": [1, 1],
    }  # fmt: skip


def test_integrated_factor_adds_both_scaled_by_car_or_over_all() -> None:
    """Car by car each row runs from 0 to 2; over all only the best of all scores 1."""
    by_car = integrated(STREET)
    whole = Instance(
        STREET.size, True, STREET.cars_km, STREET.stations_km, STREET.distance_km, STREET.counts,
        STREET.load, STREET.left_kwh,
    )  # fmt: skip

    assert by_car.tolist() == [[0.0, 2.0], [0.0, 2.0]]
    # (1 - 2/3) / (3 - 2/3) + (1/4 - 1/5) / (1 - 1/5), and so on.
    assert integrated(whole)[0].round(4).tolist() == [0.2054, 1.375]


def test_traffic_takes_the_least_load_and_by_its_word_the_greatest() -> None:
    """The figure of the paper shows the minimum, its text says the maximum; both can be had."""
    assert methods()["traffic"](STREET).tolist() == [1, 1]
    assert methods(literal_traffic=True)["traffic"](STREET).tolist() == [0, 0]


def test_methods_call_the_formulas_of_the_product() -> None:
    """There is one Eq. (3) and one Eq. (8) in the house."""
    module = __import__("city_sim.paper.methods", fromlist=["x"])

    assert module.preference is preference.preference
    assert module.preferred is preference.preferred
    assert module.integrated_factor is traffic.integrated_factor


def test_first_of_equal_piles_wins() -> None:
    """Grades tie often: then the order of the piles decides, the same every time."""
    scene = draw(CONFIGURATIONS["D"], SIZES["100x10"], 1)

    chosen = methods()["traffic"](scene)

    least = scene.load == scene.load.min(axis=1, keepdims=True)
    assert (least.sum(axis=1) > 1).any()
    assert chosen.tolist() == [row.tolist().index(True) for row in least]


def test_scene_of_d_is_as_written_down() -> None:
    """100 cars and 10 piles on 3 x 6 km; counts 1 to 100, mostly 1; load the grade of the way."""
    scene = draw(CONFIGURATIONS["D"], SIZES["100x10"], 7)

    assert scene.distance_km.shape == scene.counts.shape == scene.load.shape == (100, 10)
    assert (scene.cars_km >= 0).all()
    assert (scene.cars_km.max(axis=0) <= [3.0, 6.0]).all()
    assert scene.distance_km.min() >= FLOOR_KM
    assert scene.counts.min() == 1.0
    assert scene.counts.max() <= 100.0
    assert 0.4 < (scene.counts == 1.0).mean() < 0.65  # 1 / zeta(1.8) = 0.53
    assert set(np.unique(scene.load)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert scene.load.max() == 5.0
    assert np.corrcoef(scene.load.ravel(), scene.distance_km.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("letter", "ABCDEFGH")
def test_every_configuration_draws_a_scene_and_says_what_it_assumes(letter: str) -> None:
    """Places are those of the seed, counts are never negative, loads at least 1."""
    one, other = CONFIGURATIONS[letter], CONFIGURATIONS["D"]
    scene = draw(one, SIZES["100x10"], 3)

    assert len(one.about) > 15
    assert (scene.cars_km == draw(other, SIZES["100x10"], 3).cars_km).all()
    assert (scene.load == draw(one, SIZES["100x10"], 3).load).all()
    assert scene.counts.min() >= 0.0
    assert scene.load.min() >= 1.0
    assert scene.whole is (letter in "ACGH")


def test_favourites_are_one_to_three() -> None:
    """In H a car has charged at one to three piles, never elsewhere."""
    scene = draw(CONFIGURATIONS["H"], SIZES["100x10"], 5)

    known = (scene.counts > 0).sum(axis=1)

    assert set(known.tolist()) == {1, 2, 3}


def test_popular_piles_are_popular_with_all() -> None:
    """In F counts differ by pile more than by car."""
    counts = draw(CONFIGURATIONS["F"], SIZES["100x10"], 5).counts

    assert counts.mean(axis=0).std() > 3 * counts.mean(axis=1).std()


def test_size_has_slots_for_all_cars_or_says_why_not() -> None:
    """More cars bring more slots; too few slots, unknown sizes and empty scenes are refused."""
    assert size_of("100x10").slots == 100
    assert size_of("500x280").plugs == 280
    assert size_of("500x280", cars_per_pile=7.6).cars == 2128
    assert size_of("100x10", slots=15).slots_per_station == 15
    for wrong, option in (
        (("7x7", None, None), "--size"),
        (("100x10", 0.0, None), "--cars-per-pile"),
        (("100x10", float("nan"), None), "--cars-per-pile"),
        (("100x10", 99.0, None), "--cars-per-pile"),
        (("100x10", None, 9), "--slots"),
    ):
        with pytest.raises(OptionInvalid, match=option):
            size_of(*wrong)
