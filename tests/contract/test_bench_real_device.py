"""The same tests on a pile at a host or serial port; here a simulator plays the real device."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_runs import run_bench
from serial_pair import serial_pair

from pytest_pilewise.process import Room

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

READING = """
    def test_reads(pile):
        assert (pile.state.status, pile.state.iec, pile.state.plugged) == ("Available", "A", False)
        assert pile.register("voltage_l1").value == 230.0
        assert pile.expect(status="AVAILABLE", within_s=5) < 5

    def test_needs_a_hand(pile):
        pile.plug_in()
"""
# What a bench with a relay box or a car simulator would write; here it drives the simulator.
HANDS = """
    import os
    import pytest
    from pilewise.v1 import bench_service_pb2 as pb
    from pytest_pilewise.bench import Bench

    def pytest_pilewise_plug(pile, plugged, wishes, config):
        bench = Bench(os.environ["BENCH"])
        if plugged:
            bench.ask("PlugIn", pb.PlugInRequest(evse_id="X*1", soc_pct=wishes["soc_pct"]))
        else:
            bench.ask("Unplug", pb.UnplugRequest(evse_id="X*1"))
        return True

    def pytest_pilewise_break(pile, fault, broken, config):
        bench = Bench(os.environ["BENCH"])
        if broken:
            bench.ask("InjectFault", pb.InjectFaultRequest(evse_id="X*1", fault=fault))
        else:
            bench.ask("ClearFault", pb.ClearFaultRequest(evse_id="X*1", fault=fault))
        return True
"""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Room]:
    """A simulated Terra AC that a test reaches by host and port only."""
    room = Room("firmware_sim", "device", tmp_path)
    room.start('[[pile]]\npile_id = "X"\nface = "modbus"\nmodel = "abb-terra-ac"\n')
    yield room
    room.stop()


def where(device: Room) -> tuple[str, ...]:
    """The options that name it."""
    host, _, port = device.ready["piles"][0]["address"].rpartition(":")
    return ("--pile-host", host, "--pile-port", port, "--pile-profile", "abb-terra-ac")


def test_real_pile_is_read_and_skips_what_needs_hands(
    pytester: pytest.Pytester, device: Room
) -> None:
    """States and registers come over Modbus; a test that wants a car is skipped, and says why."""
    result = run_bench(pytester, READING, *where(device), "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["*127.0.0.1 is a real pile and nobody can connect a car: write pytest_pilewise_plug in*"]
    )


def test_hooks_are_the_hands_of_a_real_bench(
    pytester: pytest.Pytester, device: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hooks the three lines run on the device, and what a test did is undone after it."""
    monkeypatch.setenv("BENCH", device.ready["bench"])
    test = """
        def test_weld(pile):
            assert pile.plug_in(soc_pct=30).plugged
            pile.expect(status="Charging", within_s=20)
            pile.inject("EVSEContactorFault")
            pile.expect(status="Faulted", within_s=5)

        def test_is_nominal_again(pile):
            assert pile.state.status == "Available"
    """

    result = run_bench(pytester, test, *where(device), conftest=HANDS)

    result.assert_outcomes(passed=2)


def test_real_pile_is_written_and_traced(pytester: pytest.Pytester, device: Room) -> None:
    """A write reaches the device; the trace of a failed test shows the register that it moved."""
    test = """
        def test_limit(pile):
            pile.write(0x4100, [0, 8000])
            assert pile.register("active_limit").value == 8.0
            pile.expect(status="Charging", within_s=0.2)
    """

    result = run_bench(pytester, test, *where(device))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*REAL-01*expected status Charging within 0.2 s*",
            "*REAL-01 (abb-terra-ac) at 127.0.0.1: trace*",
            "*active_limit: 0x0000 0x???? -> 0x0000 0x1f40 (8)*",
        ]
    )


def test_agent_under_test_reads_the_real_pile(pytester: pytest.Pytester, device: Room) -> None:
    """The agent is given host, port and profile of the device, and reports what it reads."""
    test = """
        def test_agent(pile, agent_under_test):
            agent_under_test.expect(pile, status="AVAILABLE", within_s=20)
    """

    run_bench(pytester, test, *where(device)).assert_outcomes(passed=1)


async def test_real_pile_on_a_serial_port(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """Over a serial line the profile's own line settings count."""
    async with serial_pair(tmp_path) as line:
        room = Room("firmware_sim", "device", tmp_path)
        room.start(
            '[[pile]]\npile_id = "X"\nface = "modbus"\nmodel = "abb-terra-ac"\n'
            f'transport = "rtu"\nserial_line = "{line.device}"\n'
        )
        options = ("--pile-serial", str(line.master), "--pile-profile", "abb-terra-ac")
        test = "def test_reads(pile): assert pile.state.status == 'Available'"
        try:
            result = await asyncio.to_thread(run_bench, pytester, test, *options)
        finally:
            room.stop()

    result.assert_outcomes(passed=1)


def test_test_that_wants_another_pile_is_skipped(pytester: pytest.Pytester, device: Room) -> None:
    """A mark with another model, or a second pile, is no failure of the device on the bench."""
    test = """
        import pytest

        @pytest.mark.pile(model="keba-p30")
        def test_other(pile):
            pass

        def test_two(pile_factory):
            pile_factory()
            pile_factory()
    """

    result = run_bench(pytester, test, *where(device), "-rs")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines_random(
        [
            "*the test wants a keba-p30; the real pile is a abb-terra-ac*",
            "*the bench has one real pile, REAL-01; the test wants two*",
        ]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pile-host", "127.0.0.1"), "a real pile needs --pile-profile"),
        (("--pile-host", "127.0.0.1", "--pile-profile", "nokia"), "unknown --pile-profile 'nokia'"),
        (("--pile-host", "h", "--pile-serial", "/dev/x"), "name one of both"),
        (("--pile-host", "h", "-n", "2"), "h serves one test at a time: leave -n away"),
    ],
)
def test_options_that_do_not_do_are_told(
    pytester: pytest.Pytester, options: tuple[str, ...], said: str
) -> None:
    """No profile, an unknown one, host and serial port at once: each is named."""
    result = run_bench(pytester, "def test_any(pile): pass", *options)

    assert result.ret != 0
    assert said in result.stdout.str() + result.stderr.str()


def test_silent_device_is_told_with_its_address(pytester: pytest.Pytester) -> None:
    """Nobody at the address is an error that names it, not a wrong state."""
    options = ("--pile-host", "127.0.0.1", "--pile-port", "9", "--pile-profile", "abb-terra-ac")

    result = run_bench(pytester, "def test_any(pile): assert pile.state", *options)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*DeviceSilent: 127.0.0.1: cannot connect to*127.0.0.1:9*"])
