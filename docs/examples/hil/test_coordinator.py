"""A car that was promised a pile is sent to another one when that pile breaks."""

import pytest


@pytest.mark.requirement("HIL-003")
def test_car_is_rerouted(pile_factory, agent_under_test, coordinator_under_test):
    """The promise moves from the broken pile to the free one within ten seconds."""
    piles = [pile_factory(), pile_factory()]
    coordinator_under_test.station("Harbour", *piles, at=(22.54, 114.05))
    agent_under_test.serve(*piles)
    for pile in piles:
        coordinator_under_test.expect(pile, status="AVAILABLE", within_s=30)
    car = coordinator_under_test.car("EV-1", at=(22.55, 114.05))
    promised = car.ask(soc_pct=30).evse_id
    held, free = piles if promised == piles[0].evse_id() else piles[::-1]

    held.inject("MREC3HighTemperature")

    car.expect(evse_id=free.evse_id(), moved_from=promised, within_s=10)
