"""The agent's Modbus readers against simulated piles whose wires fail. Rows E3, E4, E5, E8."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from modbus_site import ABB, site_of

from edge_agent.core.profile import Profile
from edge_agent.core.reading import EvseStatus
from edge_agent.piles import modbus_bus, modbus_patience
from edge_agent.profiles import load_profile

TWO_UNITS = ABB + 'bus = "g"\n' + ABB.replace("A-01", "A-02") + 'bus = "g"\nunit_id = 2\n'
OVER_TCP = 'transport = "rtu-over-tcp"\n'


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is a tenth of one, so that time-outs and pauses do not fill the test."""
    monkeypatch.setattr(modbus_bus, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(modbus_bus, "RECONNECT_CAP_S", 0.2)
    monkeypatch.setattr(modbus_patience, "BACKOFF_CAP_S", 0.2)
    monkeypatch.setattr(modbus_patience, "SHARED_BACKOFF_CAP_S", 0.5)


def split_abb() -> Profile:
    """A Terra AC read in several blocks, as a device with a read limit would be."""
    return replace(load_profile("abb-terra-ac"), max_registers=4)


@pytest.mark.slow
async def test_E3_silent_unit_costs_its_neighbour_on_the_line_nothing(
    tmp_path: Path, quick: None
) -> None:
    """A dead unit is missed with its reason; the one beside it is read without a single miss."""
    async with site_of(tmp_path, TWO_UNITS) as site:
        bus = site.bus("A-01")
        dead, well = site.read(bus), site.read(bus, "A-02", 2)
        await dead.more_readings(2)
        await well.more_readings(2)
        site.break_wire("silent")
        await dead.until(lambda: dead.misses)

        await well.more_readings(40)

        assert dead.misses[0] == ("A-01*1", "TIMEOUT")
        assert well.misses == []
        # One time-out in five at most is the dead unit's, however short its period.
        assert len(dead.misses) <= 2 + 40 * 0.05 / (5 * 0.1) + 2


@pytest.mark.slow
async def test_E3_silent_unit_is_read_again_when_it_speaks(tmp_path: Path, quick: None) -> None:
    """Back-off ends by itself, and the first good answer is a fresh reading."""
    async with site_of(tmp_path, TWO_UNITS) as site:
        bus = site.bus("A-01")
        unit, _ = site.read(bus), site.read(bus, "A-02", 2)
        await unit.more_readings(1)
        site.break_wire("silent")
        await unit.until(lambda: unit.misses)
        before = unit.readings[-1]
        site.mend_wire()

        await unit.more_readings(1)

        assert unit.readings[-1] is not before


@pytest.mark.slow
async def test_E4_refused_registers_are_named_once_and_the_rest_is_read(tmp_path: Path) -> None:
    """Exception 2 for one block: an error names the registers once; power and state arrive."""
    with structlog.testing.capture_logs() as logged:
        async with site_of(tmp_path, ABB) as site:
            site.break_wire("exception:2@0x4016-0x4017")
            notes = site.read(site.bus("A-01"), profile=split_abb())

            await notes.more_readings(10)

    errors = [entry for entry in logged if entry["log_level"] == "error"]
    assert len(errors) == 1
    assert "0x4014 to 0x4017" in errors[0]["registers"]
    assert "illegal data address" in errors[0]["why"]
    assert not notes.misses
    assert {reading.status for reading in notes.readings} == {EvseStatus.AVAILABLE}
    assert notes.readings[0].values.power_kw == 0.0


async def test_E4_registers_without_which_there_is_no_status_are_a_miss(tmp_path: Path) -> None:
    """Where the state itself is refused the pile is missed with the exception's number."""
    with structlog.testing.capture_logs() as logged:
        async with site_of(tmp_path, ABB) as site:
            site.break_wire("exception:2@0x400C-0x400D")
            notes = site.read(site.bus("A-01"), profile=split_abb())

            await notes.until(lambda: len(notes.misses) >= 3)

    assert notes.readings == []
    assert set(notes.misses) == {("A-01*1", "MODBUS_EXCEPTION_02")}
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == [
        "profile does not fit the device"
    ]


async def test_E4_busy_device_is_asked_again_at_its_period(tmp_path: Path) -> None:
    """Exception 6 means not now: twenty refusals do not slow the polls down."""
    async with site_of(tmp_path, ABB) as site:
        site.break_wire("exception:6*20")
        notes = site.read(site.bus("A-01"), period_s=0.02)

        await notes.until(lambda: notes.readings, deadline_s=3.0)

        assert notes.misses == [("A-01*1", "MODBUS_EXCEPTION_06")] * 20


@pytest.mark.slow
async def test_E4_gateway_without_answer_of_the_unit_is_probed_like_a_silent_one(
    tmp_path: Path, quick: None
) -> None:
    """Exception 0x0B is the gateway's word for silence; the connection stays open for others."""
    async with site_of(tmp_path, TWO_UNITS) as site:
        bus = site.bus("A-01")
        absent, well = site.read(bus, "A-03", 3), site.read(bus, "A-02", 2)

        await absent.until(lambda: len(absent.misses) >= 4)
        await well.more_readings(20)

        assert set(absent.misses) == {("A-03*1", "MODBUS_EXCEPTION_0B")}
        assert well.misses == []
        assert bus.connections == 1


@pytest.mark.slow
async def test_E4_registers_that_close_the_connection_are_left_alone(tmp_path: Path) -> None:
    """A device that hangs up on one block is read without it, on one lasting connection."""
    with structlog.testing.capture_logs() as logged:
        async with site_of(tmp_path, ABB) as site:
            site.break_wire("disconnect@0x401C-0x401D")
            bus = site.bus("A-01")
            notes = site.read(bus, profile=split_abb())

            await notes.more_readings(20)

    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == [
        "profile does not fit the device"
    ]
    assert notes.misses == []
    assert bus.connections <= 4
    assert notes.readings[0].values.power_kw is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["truncate", "bad_crc", "wrong_unit", "wrong_transaction"])
async def test_E5_spoiled_reply_is_discarded_and_asked_again_on_a_fresh_socket(
    tmp_path: Path, quick: None, fault: str
) -> None:
    """One spoiled answer costs a reconnect and no reading; the value is the second answer's."""
    async with site_of(tmp_path, ABB) as site:
        bus = site.bus("A-01")
        notes = site.read(bus)
        await notes.more_readings(2)
        connections = bus.connections
        site.break_wire(f"{fault}*1")

        await notes.until(lambda: bus.connections > connections)
        await notes.more_readings(3)

        assert notes.misses == []
        assert bus.connections == connections + 1
        assert {reading.status for reading in notes.readings} == {EvseStatus.AVAILABLE}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["truncate", "bad_crc", "wrong_unit", "stale"])
@pytest.mark.parametrize("transport", ["modbus-tcp", "modbus-rtu-over-tcp"])
async def test_E5_replies_that_stay_spoiled_are_never_used(
    tmp_path: Path, quick: None, transport: str, fault: str
) -> None:
    """While every answer is spoiled there are misses only, with a reason, and then recovery."""
    over_tcp = OVER_TCP if transport == "modbus-rtu-over-tcp" else ""
    async with site_of(tmp_path, ABB + over_tcp + f'wire_fault = "wire:{fault}"\n') as site:
        notes = site.read(site.bus("A-01", transport), profile=split_abb())

        await notes.until(lambda: len(notes.misses) >= 3)
        spoiled = list(notes.readings)
        site.mend_wire()
        await notes.more_readings(2)

        assert spoiled == []
        assert {reason for _, reason in notes.misses} <= {"BAD_REPLY", "TIMEOUT"}


@pytest.mark.slow
async def test_E5_late_reply_of_the_previous_request_is_discarded(
    tmp_path: Path, quick: None
) -> None:
    """RTU frames carry no number: after a time-out the line is reopened and heard out first."""
    async with site_of(tmp_path, ABB + OVER_TCP) as site:
        bus = site.bus("A-01", "modbus-rtu-over-tcp")
        notes = site.read(bus, profile=split_abb())
        await notes.more_readings(2)
        connections = bus.connections
        # Later than the time-out, and then well again.
        site.break_wire("delay:0.15*1")

        await notes.until(lambda: bus.connections > connections)
        await notes.more_readings(5)

        assert {reading.status for reading in notes.readings} == {EvseStatus.AVAILABLE}
        assert all(reading.values.voltage_v == 230.0 for reading in notes.readings)


@pytest.mark.slow
async def test_E8_connect_storm_grows_no_descriptors_and_logs_each_change_once(
    tmp_path: Path, quick: None
) -> None:
    """A device that hangs up on every connection is one line of log and no growing number."""
    with structlog.testing.capture_logs() as logged:
        async with site_of(tmp_path, ABB) as site:
            bus = site.bus("A-01")
            notes = site.read(bus)
            await notes.more_readings(1)
            before = descriptors()
            site.break_wire("hangup")
            await notes.until(lambda: len(notes.misses) >= 25)
            during = descriptors()
            site.mend_wire()
            await notes.more_readings(1)
            await notes.more_readings(1)

    said = [entry["event"] for entry in logged if entry["event"].startswith("pile ")]
    assert said == ["pile cannot be read", "pile is read again"]
    assert during <= before + 2


@pytest.mark.slow
async def test_E8_piles_on_a_dead_line_do_not_storm_it(tmp_path: Path, quick: None) -> None:
    """Four piles that share a port that is gone try it together no faster than one would."""
    async with site_of(tmp_path, ABB) as site:
        bus = site.bus("A-01")
        bus.address = replace(site.address("A-01"), port=1)
        piles = [site.read(bus, f"P-{unit}", unit, period_s=0.02) for unit in (1, 2, 3, 4)]
        attempts = 0
        opened = type(bus.address).open

        async def count(address: object) -> object:
            nonlocal attempts
            attempts += 1
            return await opened(address)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(bus.address), "open", count)
            for pile in piles:
                await pile.until(lambda pile=pile: len(pile.misses) >= 8)

        misses = sum(len(pile.misses) for pile in piles)
        assert attempts < misses / 2


@pytest.mark.slow
async def test_bus_serves_waiting_piles_in_turn(tmp_path: Path) -> None:
    """A pile with many blocks does not keep the line from one with a single block."""
    async with site_of(tmp_path, TWO_UNITS) as site:
        site.break_wire("delay:0.02")
        site.break_wire("delay:0.02", "A-02")
        bus = site.bus("A-01")
        many = site.read(bus, profile=split_abb(), period_s=0.02)
        single = site.read(bus, "A-02", 2, period_s=0.02)

        await many.more_readings(4)

        # Eight questions of one are eight turns of the other.
        assert len(single.readings) >= 4 * 5


@pytest.mark.slow
async def test_bus_keeps_the_gap_between_frames(tmp_path: Path) -> None:
    """Between two requests on a line there is the silence that the slowest device needs."""
    async with site_of(tmp_path, ABB) as site:
        bus = site.bus("A-01")
        bus.gap_s = 0.05
        notes = site.read(bus, profile=split_abb(), period_s=0.01)
        await notes.more_readings(1)
        begun_s = asyncio.get_running_loop().time()

        await notes.more_readings(2)

        blocks = 8
        assert asyncio.get_running_loop().time() - begun_s >= 2 * (blocks - 1) * 0.05


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
