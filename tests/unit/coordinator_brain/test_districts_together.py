"""Candidates of several districts, sorted by one city, come in the order of one district."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import CCS2, HERE, KM_LAT

from coordinator.core.district import District
from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
    User,
)
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.districts import Share, share_of, sort_together
from coordinator.core.recommend.pipeline import look, rank
from coordinator.core.vehicle import ChargingRequest, SelectBy, Vehicle
from coordinator.models.serving import open_models

NOW_S = 1_795_000_000.0
MODELS = Models(open_models().ranker)


def stations(seed: int, count: int, evses_each: int) -> list[Station]:
    """Stations strewn over a town, of two tariffs and several powers."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        name = f"S{number:02d}"
        power_kw = float(rng.choice([7.0, 60.0, 120.0]))
        kind = PowerType.DC if power_kw > 20.0 else PowerType.AC_3_PHASE
        plug = (Connector("1", CCS2, kind, power_kw),)
        piles = tuple(
            Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", plug),)) for n in range(evses_each)
        )
        north, east = rng.uniform(-6.0, 6.0, 2)
        place = HERE[0] + north * KM_LAT, HERE[1] + east * KM_LAT
        made.append(Station(name, name, *place, piles, tariff_id=str(rng.choice(["T", "U", ""]))))
    return made


def fill(district: District, seed: int) -> None:
    """States by the name of each EVSE, so that they are the same in whatever district it is."""
    for evse_id, row in district.row.items():
        rng = np.random.default_rng([seed, *evse_id.encode()])
        district.status[row] = rng.choice([1, 1, 1, 3, 8, 9, 5])
        district.observed_at_s[row] = NOW_S - rng.uniform(0, 300)
        district.changed_at_s[row] = NOW_S - rng.uniform(0, 3_000)
        district.heard_at_s[row] = 0.0
        district.queue_length[row] = rng.choice([0, 0, 1])
        district.served_today[row] = rng.integers(0, 9)
        district.failure_rate[row] = rng.random() * 0.3
        district.exposure_days[row] = rng.uniform(0, 200)
        if rng.random() < 0.2:
            district.hold(row, 1, NOW_S + float(rng.uniform(100, 3_000)))
    district.put_tariffs(
        [
            Tariff("T", "CNY", (TariffElement("ENERGY", 1.0),)),
            Tariff("U", "CNY", (TariffElement("ENERGY", 2.0), TariffElement("FLAT", 3.0))),
        ]
    )
    district.users["vip"] = User("vip", vip=True)


def district_of(some: list[Station], seed: int) -> District:
    district = District(some)
    fill(district, seed)
    return district


def context_of(district: District) -> Context:
    """The world as this district knows it; the driver has been at S03 and S12."""
    rows = district.station_row
    visits = {rows[name]: n for name, n in (("S03", 4), ("S12", 2)) if name in rows}
    return Context(visits=visits, utc_offset_h=8.0)


def share(name: str, district: District, request: ChargingRequest) -> Share:
    looked = look(district, [request], [context_of(district)], NOW_S)
    return share_of(name, district, *looked)


def asking(**fields: object) -> ChargingRequest:
    plain = ChargingRequest("r", "car", Vehicle(60.0, connector_mask=1 << CCS2), 55.0, *HERE)
    return replace(plain, **fields)  # type: ignore[arg-type]


REQUESTS = [
    asking(),
    asking(soc_pct=9.0),
    asking(soc_pct=30.0, user_id="u"),
    asking(user_id="vip"),
    asking(destination=(HERE[0] + 0.03, HERE[1]), arrive_by_s=NOW_S + 1_200.0),
    *(asking(user_id="u", select_by=key) for key in SelectBy),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("evses_each", [2, 6])
def test_two_districts_of_ten_give_the_order_of_one_of_twenty(seed: int, evses_each: int) -> None:
    """Level, filters, scores, cost and order are the same, few candidates or many."""
    all_of_them = stations(seed, 20, evses_each)
    one = district_of(all_of_them, seed)
    halves = {
        "west": district_of(all_of_them[::2], seed),
        "east": district_of(all_of_them[1::2], seed),
    }
    for request in REQUESTS:
        whole = rank(one, request, context_of(one), MODELS, NOW_S)
        shares = [share(name, half, request) for name, half in halves.items()]
        city = Context(utc_offset_h=8.0)
        together = sort_together(request, city, shares, MODELS, NOW_S)

        assert together.evse_ids == [one.evse_ids[row] for row in whole.rows.tolist()]
        assert (together.ranked.level, together.ranked.level_reason) == (
            whole.level, whole.level_reason,
        )  # fmt: skip
        assert together.ranked.relaxed == whole.relaxed
        if whole.columns is None:
            continue
        assert together.ranked.columns is not None
        ordered: NDArray[np.float64] = whole.columns.cost.total[whole.order]
        assert together.ranked.columns.cost.total[together.ranked.order] == pytest.approx(ordered)
        for evse_id, owner in zip(together.evse_ids, together.district_ids, strict=True):
            assert evse_id in halves[owner].row


def test_a_district_without_candidates_takes_nothing_away() -> None:
    """Its share is empty, and the others are sorted as if it were not there."""
    some = stations(1, 10, 2)
    full, empty = district_of(some, 1), District()
    request = asking()
    shares = [share("full", full, request), share("empty", empty, request)]

    together = sort_together(request, Context(utc_offset_h=8.0), shares, MODELS, NOW_S)
    whole = rank(full, request, context_of(full), MODELS, NOW_S)

    assert together.evse_ids == [full.evse_ids[row] for row in whole.rows.tolist()]
    assert set(together.district_ids) == {"full"}


def test_no_district_has_anything() -> None:
    """The answer is empty, with the level of a car that nothing is left for."""
    request = asking()
    shares = [share("empty", District(), request)]

    together = sort_together(request, Context(), shares, Models(), NOW_S)

    assert together.evse_ids == []
    assert together.ranked.batch is None


def test_nothing_is_held_by_looking() -> None:
    """Finding candidates leaves the district as it was."""
    district = district_of(stations(2, 10, 2), 2)
    before = district.claim_count.copy(), district.status.copy()

    assert share("d", district, asking()).evse_ids

    assert (district.claim_count == before[0]).all()
    assert (district.status == before[1]).all()
    assert EvseStatus.AVAILABLE in district.status
