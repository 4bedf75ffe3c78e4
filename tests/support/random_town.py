"""Random towns, cars and worlds for properties of the pipeline."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from coordinator.core.district import District
from coordinator.core.pile import (
    Connector,
    Evse,
    Payment,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.recommend.context import Context, OwnPlace
from coordinator.core.vehicle import (
    ChargePlace,
    ChargingRequest,
    SelectBy,
    Vehicle,
)

NOW_S = 1_795_000_000.0
CCS2, TYPE2 = 27, 26
CENTRE = (22.54, 114.05)


def make_district(
    seed: int, station_count: int = 30, evses_each: int = 4, spread_deg: float = 0.1
) -> District:
    """A town with every kind of status, price and history."""
    rng = np.random.default_rng(seed)
    stations = []
    for number in range(station_count):
        name = f"S{number}"
        piles = []
        for place in range(evses_each):
            direct = bool(rng.random() < 0.5)
            standard, power = (CCS2, 120.0) if direct else (TYPE2, 7.0)
            kind = PowerType.DC if direct else PowerType.AC_3_PHASE
            plugs = (Connector("1", standard, kind, power),) if rng.random() < 0.9 else ()
            piles.append(Pile(f"{name}-{place}", name, (Evse(f"{name}-{place}*1", plugs),)))
        north, east = rng.uniform(-spread_deg, spread_deg, 2)
        pays = (Payment.APP,) if rng.random() < 0.3 else ()
        stations.append(
            Station(
                name, name, CENTRE[0] + north, CENTRE[1] + east, tuple(piles),
                payment_methods=pays, tariff_id=rng.choice(["T0", "T1", ""]),
            )
        )  # fmt: skip
    district = District(stations)
    district.put_tariffs(
        [
            Tariff(f"T{number}", "CNY", (TariffElement("ENERGY", 1.0 + number),))
            for number in range(2)
        ]
    )
    count = len(district)
    district.status[:] = rng.integers(0, 10, count)
    seen = rng.random(count) < 0.8
    district.observed_at_s[seen] = NOW_S - rng.uniform(0, 1e5, count)[seen]
    district.heard_at_s[seen] = -rng.uniform(0, 1e3, count)[seen]
    district.changed_at_s[seen] = NOW_S - rng.uniform(0, 1e4, count)[seen]
    district.queue_length[:] = rng.integers(0, 3, count)
    district.claim_count[:] = rng.integers(0, 4, count)
    held = district.claim_count > 0
    district.claimed_to_s[held] = NOW_S + rng.uniform(-600, 3600, count)[held]
    district.failure_rate[:] = rng.random(count)
    district.exposure_days[:] = rng.uniform(0, 400, count)
    return district


DISTRICTS = [make_district(seed) for seed in range(3)] + [make_district(9, 3, 2)]

vehicles = st.builds(
    Vehicle,
    battery_kwh=st.floats(5, 200),
    charging_curve=st.sampled_from([(), ((0.0, 50.0), (80.0, 20.0))]),
    connector_mask=st.sampled_from([0, 1 << CCS2, 1 << TYPE2, (1 << CCS2) | (1 << TYPE2)]),
    consumption_kwh_per_km=st.sampled_from([None, 0.08, 1.0]),
    setup_s=st.floats(0, 600),
    max_ac_power_kw=st.floats(2, 22),
    max_dc_power_kw=st.sampled_from([None, 50.0]),
)
offsets = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
requests = st.builds(
    lambda here, there, arrive_s, **fields: ChargingRequest(
        "r",
        "car",
        latitude_deg=CENTRE[0] + here[0],
        longitude_deg=CENTRE[1] + here[1],
        destination=None if there is None else (CENTRE[0] + there[0], CENTRE[1] + there[1]),
        arrive_by_s=None if arrive_s is None else NOW_S + arrive_s,
        **fields,
    ),
    here=offsets,
    there=st.none() | offsets,
    arrive_s=st.none() | st.floats(-3600, 7200),
    vehicle=vehicles,
    soc_pct=st.floats(0, 100),
    user_id=st.sampled_from(["", "u"]),
    target_soc_pct=st.floats(0, 100),
    charge_place=st.sampled_from(ChargePlace),
    payments=st.sampled_from([(), (Payment.APP,), (Payment.RFID,), (Payment.ANY,)]),
    air_conditioning=st.sampled_from([None, True, False]),
    select_by=st.sampled_from(SelectBy),
)
contexts = st.builds(
    Context,
    stale_after_s=st.sampled_from([math.inf, 100.0]),
    temperature_c=st.none() | st.floats(-30, 45),
    climb_m_per_km=st.sampled_from([None, 0.0, 50.0]),
    cars_around=st.none() | st.integers(0, 1000),
    visits=st.sampled_from([{}, {0: 3, 1: 1}]),
    own=st.sampled_from([(), (OwnPlace(0), OwnPlace(1, NOW_S + 60, 1))]),
    excluded=st.sampled_from([frozenset(), frozenset({0, 1, 2})]),
)
districts = st.sampled_from(DISTRICTS)
