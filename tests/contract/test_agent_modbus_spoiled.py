"""What the agent makes of wires that fail in less common ways. Rows E3, E5, E8."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from modbus_site import ABB, site_of

from edge_agent.core.reading import EvseStatus
from edge_agent.piles import modbus_bus, modbus_patience

OVER_TCP = 'transport = "rtu-over-tcp"\n'
TRANSPORTS = ["modbus-tcp", "modbus-rtu-over-tcp"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is a tenth of one, so that time-outs and pauses do not fill the test."""
    monkeypatch.setattr(modbus_bus, "TIMEOUT_S", 0.15)
    monkeypatch.setattr(modbus_bus, "RECONNECT_CAP_S", 0.2)
    monkeypatch.setattr(modbus_patience, "BACKOFF_CAP_S", 0.2)
    monkeypatch.setattr(modbus_patience, "SHARED_BACKOFF_CAP_S", 0.5)


def pile(transport: str, more: str = "") -> str:
    return ABB + (OVER_TCP if transport == "modbus-rtu-over-tcp" else "") + more


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "fault", ["empty", "junk:40", "junk:3", "wrong_function", "wrong_count", "drip:0.05"]
)
async def test_E5_reply_that_is_none_is_never_used(
    tmp_path: Path, transport: str, fault: str
) -> None:
    """Nothing, junk, another function, a length that is a lie, bytes that drip too slowly: misses
    with a reason while it lasts, not one value, and readings again as soon as it is over."""
    text = pile(transport, f'wire_fault = "wire:{fault}"\n')
    async with site_of(tmp_path, text) as site:
        notes = site.read(site.bus("A-01", transport))

        await notes.until(lambda: len(notes.misses) >= 3)
        spoiled = list(notes.readings)
        site.mend_wire()
        await notes.more_readings(2)

        assert spoiled == []
        assert {reason for _, reason in notes.misses} <= {"BAD_REPLY", "TIMEOUT"}


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("fault", ["split:0.03", "drip:0.0005"])
async def test_E5_reply_in_pieces_is_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, fault: str
) -> None:
    """A reply that comes in pieces within its time is as good as any."""
    monkeypatch.setattr(modbus_bus, "TIMEOUT_S", 20.0)  # on a busy machine each piece takes long
    async with site_of(tmp_path, pile(transport)) as site:
        notes = site.read(site.bus("A-01", transport))
        site.break_wire(fault)

        await notes.more_readings(5)

        assert notes.misses == []
        assert {reading.values.voltage_v for reading in notes.readings} == {230.0}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["wrong_function*1", "wrong_count*1", "empty*1", "junk:32*1"])
async def test_E5_one_spoiled_reply_costs_no_reading(tmp_path: Path, fault: str) -> None:
    """The question is asked once more on a fresh socket, and that answer counts."""
    async with site_of(tmp_path, ABB) as site:
        bus = site.bus("A-01")
        notes = site.read(bus)
        await notes.more_readings(2)
        connections = bus.connections
        site.break_wire(fault)

        await notes.until(lambda: bus.connections > connections)
        await notes.more_readings(2)

        assert notes.misses == []
        assert {reading.status for reading in notes.readings} == {EvseStatus.AVAILABLE}


@pytest.mark.slow
async def test_E3_half_open_pile_is_silent_and_comes_back(tmp_path: Path) -> None:
    """It takes connections and says nothing: TIMEOUT, no growing number of descriptors although it
    never closes its side, and readings once it is mended."""
    async with site_of(tmp_path, ABB) as site:
        notes = site.read(site.bus("A-01"))
        await notes.more_readings(2)
        site.break_wire("half_open")
        await notes.until(lambda: len(notes.misses) >= 6)
        kept = len(site.simulator._modbus["A-01"]._server.connections)
        misses = list(notes.misses)
        site.mend_wire()

        await notes.more_readings(2)

        assert {reason for _, reason in misses} == {"TIMEOUT"}
        # The simulated side shows what it kept open; the agent's own sockets are closed.
        assert kept >= 3


@pytest.mark.slow
async def test_E8_flapping_pile_is_read_whenever_it_is_up(tmp_path: Path) -> None:
    """Down and up in turn: readings in between, a line of log for each change, and at the end a
    steady reader."""
    with structlog.testing.capture_logs() as logged:
        async with site_of(tmp_path, ABB) as site:
            notes = site.read(site.bus("A-01"))
            await notes.more_readings(2)
            site.break_wire("flapping:0.5")
            rounds = 0
            while rounds < 2:
                missed = len(notes.misses)
                await notes.until(lambda missed=missed: len(notes.misses) > missed)
                await notes.more_readings(1)
                rounds += 1
            site.mend_wire()
            await notes.more_readings(1)
            before = len(notes.misses)
            await notes.more_readings(10)

            assert len(notes.misses) == before

    said = [entry["event"] for entry in logged if entry["event"].startswith("pile ")]
    assert said[:4] == ["pile cannot be read", "pile is read again"] * 2
    assert {reason for _, reason in notes.misses} <= {
        "CONNECTION_LOST",
        "NOT_CONNECTED",
        "TIMEOUT",
    }
