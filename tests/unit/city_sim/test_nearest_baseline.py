"""The nearest-pile baseline, on cases small enough to work out by hand."""

import pytest

from city_sim.baseline import nearest_baseline
from city_sim.city import CITY_SPEED_KMH, ROAD_FACTOR
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.vehicle import Vehicle

KM_DEG = 1 / 111.1950802
KM_S = 3600 * ROAD_FACTOR / CITY_SPEED_KMH
CCS, CHADEMO = 33, 3


def station(name: str, km_east: float, plugs: int, standard: int = CCS) -> Station:
    piles = tuple(
        Pile(
            f"{name}-{n}",
            name,
            (Evse(f"{name}-{n}*1", (Connector("1", standard, PowerType.DC, 60.0),)),),
        )
        for n in range(plugs)
    )
    return Station(name, name, 0.0, km_east * KM_DEG, piles)


def asks(at_s: float, km_east: float = 0.0, charge_s: float = 600.0, mask: int = 0) -> Demand:
    vehicle = Vehicle(battery_kwh=60.0, connector_mask=mask)
    return Demand(at_s, 0.0, km_east * KM_DEG, 20.0, vehicle, charge_s=charge_s)


def test_baseline_second_car_waits_for_first() -> None:
    """Two cars at one plug: the second waits exactly until the first leaves."""
    result = nearest_baseline([station("a", 1.0, 1)], [asks(0), asks(100)], (), 10_000)

    assert result.served == 2
    assert result.mean_drive_s == pytest.approx(KM_S)
    assert result.drive_plus_wait_s == pytest.approx((KM_S, KM_S + 500.0))


def test_baseline_ignores_a_free_station_further_off() -> None:
    """Every car goes to the nearest station even though the next one stands empty."""
    stations = [station("a", 1.0, 1), station("b", 2.0, 5)]

    result = nearest_baseline(stations, [asks(0), asks(0), asks(0)], (), 10_000)

    assert result.mean_wait_s == pytest.approx((0 + 600 + 1200) / 3)


def test_baseline_passes_by_plugs_that_do_not_fit() -> None:
    """A car drives to the nearest station that has its plug."""
    stations = [station("a", 1.0, 1, CHADEMO), station("b", 3.0, 1)]

    result = nearest_baseline(stations, [asks(0, mask=1 << CCS)], (), 10_000)

    assert result.mean_drive_s == pytest.approx(3 * KM_S)


def test_baseline_drives_on_from_a_dead_station() -> None:
    """Finding nothing that works, a car drives on and pays for both ways."""
    stations = [station("a", 1.0, 1), station("b", 3.0, 1)]
    fault = Disturbance("a-0*1", DisturbanceKind.FAULT, 0.0)

    result = nearest_baseline(stations, [asks(10)], [fault], 10_000)

    assert result.served == 1
    assert result.mean_drive_s == pytest.approx(3 * KM_S)


def test_baseline_fault_ends_the_session_and_keeps_what_was_charged() -> None:
    """A session cut in half resumes at the head of the queue, for the half that is missing."""
    drive_s = KM_S
    fault = Disturbance("a-0*1", DisturbanceKind.FAULT, drive_s + 300, drive_s + 400)
    stations = [station("a", 1.0, 1)]

    result = nearest_baseline(stations, [asks(0), asks(1)], [fault], 10_000)

    first, second = result.drive_plus_wait_s
    assert first == pytest.approx(drive_s + 100)
    assert second == pytest.approx(drive_s + 700 - 1)


def test_baseline_blocked_bay_keeps_others_out_only() -> None:
    """A bay blocked during a session leaves that session alone and the next car waiting."""
    blocked = Disturbance("a-0*1", DisturbanceKind.BLOCKED, KM_S + 10, KM_S + 900)

    result = nearest_baseline([station("a", 1.0, 1)], [asks(0), asks(1)], [blocked], 10_000)

    assert result.drive_plus_wait_s == pytest.approx((KM_S, KM_S + 900 - 1))


def test_baseline_counts_the_unfinished_with_their_time_so_far() -> None:
    """At the end, a waiting car counts its wait and a driving car its drive; later ones nothing."""
    end_s = KM_S + 200
    demands = [asks(0), asks(0), asks(end_s - 50), asks(end_s)]

    result = nearest_baseline([station("a", 1.0, 1)], demands, (), end_s)

    assert (result.cars, result.served, result.unfinished) == (3, 1, 2)
    assert result.drive_plus_wait_s == pytest.approx((KM_S, KM_S + 200, 50.0))


def test_baseline_without_charge_time_uses_vehicle_and_plug() -> None:
    """Without a known charging time the second car waits for 36 kWh at 60 kW and the set-up."""
    cars = [
        Demand(0.0, 0.0, 0.0, 20.0, Vehicle(battery_kwh=60.0, setup_s=60.0), 80.0) for _ in range(2)
    ]

    result = nearest_baseline([station("a", 1.0, 1)], cars, (), 100_000)

    assert max(result.drive_plus_wait_s) == pytest.approx(KM_S + 2160 + 60)
