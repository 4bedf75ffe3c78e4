"""Scenario files are played in virtual time and judged on simulated deadlines."""

from __future__ import annotations

import asyncio
import time

import pytest

from firmware_sim.bench.scenario import read, run
from firmware_sim.bench.scenario.virtual_loop import StalledError, VirtualLoop, run_virtual

MODBUS = """
[scenario]
title = "one pile with registers"
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "abb-terra-ac"
max_power_kw = 11.0
"""
OCPP = MODBUS.replace('"modbus"', '"ocpp16"').replace('"abb-terra-ac"', '"generic"')
PLUG = '[[step]]\ndo = "plug"\nsoc_pct = 30\n'


def played(steps: str, head: str = MODBUS, seed: int = 0):
    return run(read(head + steps, name="tried", file="tried.toml"), seed)


def expect(condition: str, *more: str) -> str:
    return "\n".join(["[[step]]", f'expect = "{condition}"', *more, ""])


def test_deadline_is_met_in_simulated_time() -> None:
    """A demand is met at the tick where it first holds, and the report says how long that took."""
    report = played(PLUG + expect("status is Charging", "within_s = 10"))

    assert report.passed
    assert [check.took_s for check in report.checks] == [2.0]


def test_deadline_that_passes_fails_the_scenario() -> None:
    """A demand that does not hold in time ends the run; what was seen is told, the rest is left."""
    report = played(PLUG + expect("status is Charging", "within_s = 1") + "[[step]]\nwait_s = 50\n")

    assert not report.passed
    assert report.failure is not None
    assert (report.failure.took_s, report.failure.seen) == (1.0, "status = 'SuspendedEV'")
    assert (report.steps_left, report.simulated_s) == (2, 1.0)


def test_demand_must_hold_as_long_as_it_says() -> None:
    """A condition that holds and then ends too soon fails, with the time that it held."""
    fault = '[[step]]\ndo = "inject"\nfault = "GroundFailure"\nfor_s = 5\n'
    report = played(PLUG + fault + expect("status is Faulted", "holds_for_s = 20"))

    assert report.failure is not None
    assert "after holding for 5 s" in report.failure.seen


def test_guard_fails_at_the_tick_where_it_breaks() -> None:
    """`never` is watched beside the steps that follow."""
    report = played('[[step]]\nnever = "power_kw > 5"\n' + PLUG + "[[step]]\nwait_s = 600\n")

    assert report.failure is not None
    assert (report.failure.verb, report.failure.at_s) == ("never", 2.0)


def test_guard_ends_with_its_time() -> None:
    """A guard for a time says nothing about what comes after, and waits until it is over."""
    early = '[[step]]\nnever = "power_kw > 5"\nfor_s = 20\n'
    report = played(early + "[[step]]\nwait_s = 1\n" + expect("power_kw == 0"))

    assert report.passed
    assert report.simulated_s == 20.0
    assert played(early + "[[step]]\nwait_s = 30\n" + PLUG + "[[step]]\nwait_s = 9\n").passed


def test_remembered_value_is_compared_later() -> None:
    """`@name` is the same subject's value of that moment, moved by a figure."""
    steps = PLUG + '[[step]]\nwait_s = 2\n[[step]]\nremember = "then"\n[[step]]\nwait_s = 360\n'

    assert played(steps + expect("meter_wh == @then + 1100")).passed
    assert not played(steps + expect("meter_wh == @then")).passed


def test_master_writes_through_the_map_and_reads_the_effect() -> None:
    """A register is written over the wire in its unit; the pile obeys and its registers say so."""
    write = '[[step]]\ndo = "write_register"\nregister = "set_current_limit"\nvalue = 8\n'
    report = played(
        PLUG
        + expect("power_kw > 10", "within_s = 5")
        + write
        + expect("master.outcome is ok and register.active_power == 5520", "within_s = 2")
    )

    assert report.passed, report.failure


def test_car_of_one_phase_with_a_cold_battery_is_plugged_in() -> None:
    """It draws a third of what three phases give; a frosty DC battery takes seven tenths."""
    one = played(
        PLUG + "phases = 1\n" + expect("power_kw > 3.6 and power_kw < 3.7", "within_s = 5")
    )
    dc = MODBUS.replace("abb-terra-ac", "alpitronic-hypercharger").replace("11.0", "150.0")
    cold = played(
        PLUG + "battery_c = -10\n" + expect("power_kw > 95 and power_kw < 97", "within_s = 30"), dc
    )

    assert one.passed, one.failure
    assert cold.passed, cold.failure


def test_action_that_is_not_possible_fails_the_scenario() -> None:
    """A step that the pile refuses is a failed demand with the pile's own words."""
    report = played(PLUG + PLUG + expect("power_kw > 0"))

    assert report.failure is not None
    assert "plugged in already" in report.failure.seen


def test_messages_are_counted_and_looked_into() -> None:
    """A dialling pile finds a central system; its messages can be filtered, counted and read."""
    plug = '[[step]]\nwait_s = 1\n[[step]]\ndo = "plug"\ntoken = "CARD"\n'
    report = played(
        plug
        + expect("sent.StartTransaction[idTag=CARD] == 1", "within_s = 5")
        + expect("sent.Authorize.idTag is CARD and sent.StopTransaction == 0")
        + expect("sent.StatusNotification[connectorId=1].status is Charging", "within_s = 5"),
        OCPP,
    )

    assert report.passed, report.failure


def test_refused_driver_gets_no_energy() -> None:
    """The central system turns away the tokens that the scenario names."""
    head = OCPP.replace('title = "', 'refused_tokens = ["BAD"]\ntitle = "')
    steps = '[[step]]\nwait_s = 1\n[[step]]\ndo = "plug"\ntoken = "BAD"\n[[step]]\nwait_s = 60\n'

    assert played(steps + expect("power_kw == 0 and phase is waiting"), head).passed


def test_same_seed_gives_the_same_result_and_another_seed_another_where_something_is_random() -> (
    None
):
    """What the network's back-off draws shows in the result; without chance seeds do not matter."""
    lost = '[[step]]\nwait_s = 1\n[[step]]\ndo = "central_down"\n[[step]]\nwait_s = 30\n'
    lost += '[[step]]\ndo = "central_up"\n' + expect("central.connected == true", "within_s = 60")
    hashes = [played(lost, OCPP, seed).result_hash for seed in (1, 1, 2)]
    plain = [played(PLUG + expect("status is Charging", "within_s = 9"), MODBUS, s) for s in (1, 2)]

    assert hashes[0] == hashes[1] != hashes[2]
    assert plain[0].result_hash == plain[1].result_hash
    assert plain[0].pile_seeds != plain[1].pile_seeds


async def test_run_inside_a_running_loop() -> None:
    """A test that is itself asynchronous can play a scenario."""
    assert played(PLUG + expect("status is Charging", "within_s = 10")).passed


@pytest.mark.slow
def test_hours_take_moments() -> None:
    """Virtual time costs no waiting: six hours are over long before they have passed."""
    head = MODBUS.replace('title = "', 'tick_s = 20\ntitle = "')
    begun = time.monotonic()
    report = played("[[step]]\nwait_s = 21600\n" + expect("status is Available"), head)

    assert report.simulated_s == 21600.0
    assert time.monotonic() - begun < 60


def test_loop_that_could_wait_for_ever_says_so() -> None:
    """With nothing due and nobody at work the loop ends with an error instead of hanging."""

    async def wait(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(StalledError):
        run_virtual(wait)


def test_virtual_timers_fire_in_order_at_their_instants() -> None:
    """Sleepers wake at their own virtual second, whatever the order they were started in."""
    woken: list[tuple[float, str]] = []

    async def sleeper(loop: VirtualLoop, name: str, for_s: float) -> None:
        await asyncio.sleep(for_s)
        woken.append((loop.time(), name))

    async def all_of_them(loop: VirtualLoop) -> None:
        await asyncio.gather(sleeper(loop, "late", 7200), sleeper(loop, "early", 0.5))

    run_virtual(all_of_them)

    assert woken == [(0.5, "early"), (7200.0, "late")]
