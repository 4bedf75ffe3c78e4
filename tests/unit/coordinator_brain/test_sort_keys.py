"""Orders other than the one cost: each key alone, by request or by configuration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.columns import Columns, Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.features import COLUMN
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules import Rules
from coordinator.core.recommend.traffic import integrated_factor
from coordinator.core.vehicle import ChargePlace, ChargingRequest, SelectBy, Vehicle

NOW_S = 1_795_000_000.0
DESTINATION = HERE[0] + 1.0 / 111.2, HERE[1]  # where station A is


class ByDistance:
    """A ranker that likes what is far, so that its first is never the nearest."""

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features[:, COLUMN["distance_km"]]


def town(count: int = 8) -> District:
    """Stations A, B, ... 1, 2, ... km north."""
    stations = [station(chr(65 + number), number + 1.0, 10) for number in range(count)]
    district = district_of(stations, NOW_S, 0.0)
    district.changed_at_s[:] = NOW_S
    return district


def asked(
    district: District, select_by: SelectBy, rules: Rules | None = None, **fields: object
) -> Ranked:
    request = ChargingRequest(
        "r", "car", Vehicle(60.0), 60.0, *HERE, user_id="u", select_by=select_by
    )
    visits = {row: n for row, n in {2: 5, 4: 1}.items() if row < len(district.stations)}
    context = Context(rules=rules or Rules(), visits=visits, utc_offset_h=12.0)
    request = replace(request, **fields)  # type: ignore[arg-type]
    return rank(district, request, context, Models(ByDistance()), NOW_S)


def columns_of(ranked: Ranked) -> Columns:
    assert ranked.columns is not None
    return ranked.columns


def station_of(district: District, candidate: int, ranked: Ranked) -> str:
    row = int(columns_of(ranked).candidates.evse[candidate])
    return district.stations[int(district.station[row])].station_id


KEYS = {
    SelectBy.TIME: lambda c: c.drive.drive_s,
    SelectBy.QUEUE: lambda c: c.wait.ahead,
    SelectBy.TOTAL_TIME: lambda c: c.drive.drive_s + c.wait.p50_s + c.charge_s,
    SelectBy.PREFERENCE: lambda c: -c.preference,
    SelectBy.PRICE: lambda c: c.price,
    SelectBy.TRAFFIC: lambda c: np.zeros(len(c.share)) + c.traffic_grade,
    SelectBy.INTEGRATED: lambda c: (
        -integrated_factor(c.preference, np.zeros(len(c.share)) + c.traffic_grade)
    ),
    SelectBy.RANKER: lambda c: -c.share,
    SelectBy.COST: lambda c: c.cost.total,
}


@pytest.mark.parametrize("select_by", KEYS)
def test_each_key_orders_by_request_and_by_configuration(select_by: SelectBy) -> None:
    """A request that does not say gets the configured order; one that does gets its own."""
    district = town()
    district.queue_length[::3] = 1
    by_request = asked(district, select_by)
    by_config = asked(district, SelectBy.UNSPECIFIED, Rules(select_by=select_by))
    key = KEYS[select_by](columns_of(by_request))[by_request.order]

    assert (np.diff(key) >= -1e-9).all()
    assert by_config.order.tolist() == by_request.order.tolist()
    assert by_request.wanted is not None


def test_ranker_gives_way_when_its_first_is_not_recommended() -> None:
    """Of its first five the one with the best merged score is taken, and who gave way is kept."""
    district = town()
    ranked = asked(
        district,
        SelectBy.RANKER,
        destination=DESTINATION,
        charge_place=ChargePlace.AT_DESTINATION,
    )
    columns = columns_of(ranked)
    by_share = np.lexsort((columns.cost.total, -columns.share))

    assert columns.merged[by_share[0]] < 60.0
    assert ranked.passed_over == by_share[0]
    assert columns.merged[ranked.order[0]] == columns.merged[by_share[:5]].max()
    assert set(ranked.order[:5].tolist()) == set(by_share[:5].tolist())


def test_ranker_keeps_its_first_when_that_is_good_enough() -> None:
    """A general recommendation is no reason to look further."""
    district = town()
    ranked = asked(district, SelectBy.RANKER)

    columns = columns_of(ranked)
    assert columns.merged[ranked.order[0]] >= 60.0
    assert ranked.passed_over is None
    assert ranked.order[0] == columns.share.argmax()


def test_merged_takes_the_best_of_the_rankers_first_five_and_no_other() -> None:
    """Even a far better sixth is not looked at."""
    district = town()
    ranked = asked(district, SelectBy.MERGED, destination=DESTINATION)
    columns = columns_of(ranked)
    by_share = np.lexsort((columns.cost.total, -columns.share))

    assert ranked.order[0] in by_share[:5]
    assert columns.merged[ranked.order[0]] == columns.merged[by_share[:5]].max()
    assert columns.merged.max() > columns.merged[ranked.order[0]]


def test_nobody_gives_way_where_all_five_are_equally_poor() -> None:
    """The first stays first when the next four are no better."""
    district = town(1)
    district.status[:] = EvseStatus.UNKNOWN
    district.failure_rate[:] = 1.0
    far_away = HERE[0] - 1.0, HERE[1]
    ranked = asked(district, SelectBy.RANKER, destination=far_away, arrive_by_s=NOW_S)

    assert columns_of(ranked).merged.max() < 60.0
    assert ranked.passed_over is None


@pytest.mark.parametrize("way", ["evidence", "iterations", "sum"])
def test_weights_move_with_what_is_configured(way: str) -> None:
    """More evidence, or more iterations, give the failure score more weight; a sum needs none."""
    district = town()
    few = asked(district, SelectBy.COST, Rules(weights_by=way), destination=DESTINATION)
    district.exposure_days[:] = 300.0
    request = ChargingRequest(
        "r", "car", Vehicle(60.0), 60.0, *HERE, user_id="u", destination=DESTINATION
    )
    context = Context(rules=Rules(weights_by=way), iterations=40, utc_offset_h=12.0)
    many = rank(district, request, context, Models(ByDistance()), NOW_S)
    before, after = columns_of(few), columns_of(many)

    if way == "sum":
        assert np.allclose(after.merged, after.first + after.second)
        assert (after.cost.score >= 0.0).all()
        return
    assert (after.failure_weight > before.failure_weight).all()
    weighted = after.first * (1 - after.failure_weight) + after.second * after.failure_weight
    assert np.allclose(after.merged, weighted)


def test_printed_time_is_drive_charge_to_full_and_one_previous_user() -> None:
    """Eq. (5)-(7) as printed: constant power, to full, one car ahead however many there are."""
    district = town(1)
    district.status[:] = EvseStatus.CHARGING
    district.queue_length[:] = 2
    printed = columns_of(asked(district, SelectBy.TOTAL_TIME, Rules(waiting="printed")))
    usual = columns_of(asked(district, SelectBy.TOTAL_TIME))

    charge_h = (60.0 - 36.0) / 120.0
    assert printed.charge_s == pytest.approx(charge_h * 3600.0)
    one_s = np.maximum(32 * 60.0 - printed.drive.drive_s, 0.0)
    assert printed.wait.p50_s == pytest.approx(one_s)
    assert (usual.wait.p50_s > printed.wait.p50_s).all()
    assert (usual.wait.p90_s > usual.wait.p50_s).all()
