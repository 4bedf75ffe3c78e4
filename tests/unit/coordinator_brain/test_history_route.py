"""Candidates by what people around chose: piles like the most used ones (patent, step 320)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import popular
from coordinator.core.recommend.candidates import PROVENANCE
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules import Rules
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.jobs.knowledge import Knowledge

NOW_S = 1_795_000_000.0
NEAREST_ONLY = Rules(stations_at_first=3, stations_at_most=3, open_wanted=0)


def like(*pairs: tuple[int, int, float], count: int) -> sparse.csr_matrix:
    """A map with these edges, both ways."""
    a = np.zeros((count, count))
    for one, two, similarity in pairs:
        a[one, two] = a[two, one] = similarity
    return sparse.csr_matrix(a)


def found(
    district: District, context: Context | None = None, soc_pct: float = 50.0
) -> dict[str, str]:
    """How each station came among the candidates of a car at `HERE`."""
    request = ChargingRequest("r", "car", Vehicle(60.0), soc_pct, *HERE)
    context = context or Context(rules=NEAREST_ONLY)
    columns = rank(district, request, context, Models(), NOW_S).columns
    assert columns is not None
    candidates = columns.candidates
    bits = candidates.of_station(candidates.near.provenance)
    return {
        district.stations[int(district.station[row])].station_id: PROVENANCE[int(bit)]
        for row, bit in zip(candidates.evse.tolist(), bits.tolist(), strict=True)
    }


def row_of_stations(*km: float) -> District:
    """Stations of one EVSE each, at these km north."""
    return district_of(
        [station(f"S{number}", north) for number, north in enumerate(km)], NOW_S, 0.0
    )


def table(district: District, similarity: sparse.csr_matrix, uses: list[float]) -> np.ndarray:
    return popular.stations_alike(
        district.station_lat_deg,
        district.station_lon_deg,
        district.station.astype(np.intp),
        np.array(uses),
        similarity,
    )


def test_pile_like_the_most_chosen_one_is_a_candidate() -> None:
    """It is farther than those that are looked at for nearness, and says how it was found."""
    district = row_of_stations(0.5, 1.0, 1.5, 3.0, 3.5)
    district.alike = table(district, like((0, 3, 0.9), count=5), [7, 0, 0, 0, 0])

    assert found(district) == {
        "S0": "NEAREST+LIKE_CHOSEN",
        "S1": "NEAREST",
        "S2": "NEAREST",
        "S3": "LIKE_CHOSEN",
    }


def test_without_a_history_only_nearness_counts() -> None:
    """Nobody charged yet: nothing is like what was chosen."""
    district = row_of_stations(0.5, 1.0, 1.5, 3.0)
    district.alike = table(district, like((0, 3, 0.9), count=4), [0, 0, 0, 0])

    assert set(found(district).values()) == {"NEAREST"}


@pytest.mark.parametrize(("similarity", "taken"), [(0.8, True), (0.79, False)])
def test_likeness_begins_at_four_fifths(similarity: float, taken: bool) -> None:
    """A pile that is less like the chosen one is no candidate by it."""
    district = row_of_stations(0.5, 1.0, 1.5, 3.0)
    district.alike = table(district, like((0, 3, similarity), count=4), [7, 0, 0, 0])

    assert ("S3" in found(district)) is taken


@pytest.mark.parametrize(("km", "taken"), [(5.4, True), (5.6, False)])
def test_what_was_chosen_counts_within_five_km(km: float, taken: bool) -> None:
    """The range is taken around the station nearest to the car, 500 m away."""
    district = row_of_stations(0.5, 1.0, 1.5, km)
    district.alike = table(district, like(count=4), [0, 0, 0, 7])

    assert ("S3" in found(district)) is taken


def test_only_the_ten_most_chosen_are_looked_at() -> None:
    """The eleventh in use makes nothing a candidate."""
    district = row_of_stations(*(0.1 * number for number in range(1, 12)), 4.0, 4.5)
    uses = [20.0 - number for number in range(11)] + [0.0, 0.0]
    uses[9] = 100.0

    tenth = table(district, like((9, 11, 0.9), count=13), uses)
    eleventh = table(district, like((10, 12, 0.99), count=13), uses)

    assert tenth[0].tolist() == [9, 11, 0]
    assert 12 not in eleventh[0].tolist()


def test_pile_out_of_reach_is_no_candidate_however_well_liked() -> None:
    """The history route knows the same bounds as nearness."""
    district = row_of_stations(0.5, 1.0, 1.5, 5.4)
    district.alike = table(district, like(count=4), [0, 0, 0, 7])

    assert "S3" not in found(district, soc_pct=2.0)


def test_found_by_history_is_kept_where_near_ones_are_too_many() -> None:
    """The limit of what is judged takes the farthest of the merely near ones."""
    near = [station(f"N{number}", 0.3 + 0.1 * number) for number in range(6)]
    district = district_of([*near, station("FAR", 4.0)], NOW_S, 0.0)
    district.alike = table(district, like((0, 6, 0.9), count=7), [7, 0, 0, 0, 0, 0, 0])
    rules = Rules(candidate_limit=4, stations_at_first=6, stations_at_most=6, open_wanted=0)

    kept = found(district, Context(rules=rules))

    assert set(kept) == {"N0", "N1", "N2", "FAR"}


def test_a_known_user_still_looks_further_where_all_near_is_taken() -> None:
    """What was added by history does not end the search outwards."""
    district = row_of_stations(0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    district.status[:4] = EvseStatus.OUTOFORDER
    rules = Rules(stations_at_first=2, stations_at_most=4)

    assert set(found(district, Context(rules=rules, visits={0: 3}))) == {"S4", "S5"}


async def test_the_map_says_what_is_like_the_most_chosen() -> None:
    """The job that keeps the knowledge map keeps the table, and new stations wait for their own."""
    district = row_of_stations(0.5, 1.0, 1.5, 3.0)
    district.session_count[:] = [9, 0, 0, 0]
    district.exposure_days[:] = 10.0
    knowledge = Knowledge(district, None, lambda: NOW_S)

    await knowledge.refresh()
    by_map = district.alike
    district.put_stations([station("NEW", 0.7)])

    assert by_map is not None
    assert by_map.shape == (4, popular.STATIONS)
    assert by_map[0].tolist()[0] == 0
    assert district.alike is None


def test_places_are_measured_from_the_station_near_the_car() -> None:
    """Two towns far apart have each their own most chosen piles."""
    south, north = (0.0, 0.5), (50.0, 50.5)
    district = row_of_stations(*south, *north)

    alike = table(district, like(count=4), [1, 5, 2, 8])

    assert alike[:, :2].tolist() == [[1, 0], [1, 0], [3, 2], [3, 2]]


async def test_a_district_without_stations_has_no_history() -> None:
    """An empty map leaves a request with an empty answer."""
    district = District()
    await Knowledge(district, None, lambda: NOW_S).refresh()

    request = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *HERE)

    assert rank(district, request, Context(), Models(), NOW_S).batch is None
