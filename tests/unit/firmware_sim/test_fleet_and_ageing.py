"""Piles together: shared power, who is told, wear and repair."""

from __future__ import annotations

import random
from statistics import mean, median

import pytest

from firmware_sim.core.ageing import Ageing, next_failure
from firmware_sim.core.battery import Battery
from firmware_sim.core.controller import plug_in, unplug
from firmware_sim.core.evse import Car, Evse, Supply
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.core.wire import WireFault, parse_wire_fault
from firmware_sim.errors import UnknownNameError
from firmware_sim.fleet import Fleet

DC = PileSpec("D-1", "alpitronic-hypercharger", 150.0, Supply.DC, evse_count=2)
AC = PileSpec("A-1", "abb-terra-ac", 11.0, Supply.AC_3)


def car(soc_pct: float = 10.0) -> Car:
    return Car(Battery(80.0, soc_pct, 200.0), 80.0)


def plug(fleet: Fleet, evse_id: str, soc_pct: float = 10.0) -> None:
    fleet.change(evse_id, lambda evse: plug_in(evse, car(soc_pct), ""))


def test_two_cars_share_the_power_of_a_dc_pile() -> None:
    """Each gets half while both draw; the one that stays gets all of it back."""
    fleet = Fleet([DC])
    plug(fleet, "D-1*1")
    fleet.advance(30)
    alone = fleet.evse("D-1*1").power_kw

    plug(fleet, "D-1*2")
    fleet.advance(30)
    both = [fleet.evse(f"D-1*{n}").power_kw for n in (1, 2)]
    fleet.change("D-1*2", unplug)

    assert (alone, both, fleet.evse("D-1*1").power_kw) == (150.0, [75.0, 75.0], 150.0)


def test_power_is_shared_anew_inside_one_long_stride() -> None:
    """A car that is done early leaves its share to the other within the same stride."""
    fleet = Fleet([DC])
    plug(fleet, "D-1*1", 10.0)
    plug(fleet, "D-1*2", 79.0)

    fleet.advance(600)

    assert fleet.evse("D-1*1").power_kw > 75


def test_listener_hears_its_own_pile_only() -> None:
    """A listener of one pile is not told of another; one of all is."""
    fleet = Fleet([DC, AC])
    own: list[str] = []
    every: list[str] = []
    fleet.on_evse_change(lambda old, new: own.append(new.spec.evse_id), pile_id="A-1")
    forget = fleet.on_evse_change(lambda old, new: every.append(new.spec.evse_id))

    plug(fleet, "A-1*1")
    plug(fleet, "D-1*1")
    forget()
    fleet.advance(5)

    assert set(own) == {"A-1*1"}
    assert {"A-1*1", "D-1*1"} == set(every)


def test_listener_that_acts_is_not_undone_by_the_stride_under_way() -> None:
    """A change made while being told of another pile's change stays."""
    fleet = Fleet([AC, DC])
    plug(fleet, "A-1*1")

    def answer(old: Evse, new: Evse) -> None:
        if fleet.evse("D-1*1").car is None:
            plug(fleet, "D-1*1")

    fleet.on_evse_change(answer, pile_id="A-1")
    fleet.advance(10)

    assert fleet.evse("D-1*1").car is not None


def test_unknown_names_are_told() -> None:
    """A name that is not simulated raises with that name."""
    with pytest.raises(UnknownNameError, match="nowhere"):
        Fleet([AC]).evse("nowhere")


def test_wire_fault_lapses_with_domain_time() -> None:
    """Listeners hear when it comes and when it goes, and not in between."""
    fleet = Fleet([AC])
    heard: list[WireFault | None] = []
    fleet.on_wire_change(lambda pile_id, wire: heard.append(wire))

    fleet.set_wire("A-1", parse_wire_fault("wire:silent", 10.0))
    fleet.advance(6)
    still = fleet.pile("A-1").wire
    fleet.advance(6)

    assert still is not None
    assert [wire.name if wire else None for wire in heard] == ["wire:silent", None]


@pytest.mark.parametrize(
    "text", ["wire:", "wire:exception:9", "wire:exception:-1", "wire:delay:x", "wire:delay:nan"]
)
def test_unknown_wire_word_is_refused(text: str) -> None:
    """Only the words that a face can act on are taken."""
    with pytest.raises(ValueError, match="wire"):
        parse_wire_fault(text, None)


@pytest.mark.parametrize("text", ["wire:silent", "wire:exception:6", "wire:delay:1.5"])
def test_wire_fault_names_itself_as_it_was_injected(text: str) -> None:
    """The name that is shown is the word that injects it."""
    assert parse_wire_fault(text, None).name == text


def test_onsets_follow_weibull_with_the_age_counted_in() -> None:
    """A memoryless pile fails as often old as new; one that wears out fails sooner when old."""
    rng = random.Random(5)
    steady, worn = Ageing(scale_h=1000.0), Ageing(scale_h=1000.0, shape=3.0)

    new = mean(next_failure(steady, 0.0, rng).in_s / 3600 for _ in range(4000))
    old = mean(next_failure(steady, 5000.0, rng).in_s / 3600 for _ in range(4000))
    young = median(next_failure(worn, 0.0, rng).in_s / 3600 for _ in range(4000))
    aged = median(next_failure(worn, 2000.0, rng).in_s / 3600 for _ in range(4000))

    assert new == pytest.approx(1000, rel=0.08)
    assert old == pytest.approx(1000, rel=0.08)
    assert young == pytest.approx(1000 * 0.6931**0.3333, rel=0.05)
    assert aged < young / 5


def test_ageing_pile_breaks_and_is_repaired_reproducibly() -> None:
    """The same seed gives the same history; another seed gives another."""

    def history(seed: int) -> list[tuple[int, str]]:
        fleet = Fleet([AC], seed=seed, ageing={"A-1": Ageing(scale_h=5.0)})
        changes: list[tuple[int, str]] = []
        for hour in range(24 * 6):
            fleet.advance(600)
            status = ocpp_status(fleet.evse("A-1*1"))
            if not changes or changes[-1][1] != status:
                changes.append((hour, status))
        return changes

    first = history(1)

    assert {"Available", "Faulted"} <= {status for _, status in first}
    assert first == history(1)
    assert first != history(2)


def test_reset_gives_the_factory_state_back() -> None:
    """Cars, faults, meters and wire faults are gone after a reset."""
    fleet = Fleet([AC])
    plug(fleet, "A-1*1")
    fleet.advance(600)
    fleet.set_wire("A-1", parse_wire_fault("wire:silent", None))

    fleet.reset("A-1")

    evse = fleet.evse("A-1*1")
    assert (evse.car, evse.meter.total_wh, fleet.pile("A-1").wire) == (None, 0.0, None)
