"""What leaves a charge point while its frames are spoiled, as a listener on the wire has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ocpp_simulator import SimulatedStation, simulated
from raw_system import Message, RawSystem

VERSIONS = ("ocpp1.6", "ocpp2.0.1")
HEARTBEAT = {"requestedMessage": "Heartbeat"}


class Wire:
    """A charge point and the listener that it dialled."""

    def __init__(self, system: RawSystem, station: SimulatedStation) -> None:
        self.system = system
        self.station = station

    async def triggered(self, fault: str) -> int:
        """Injects a fault and asks for a heartbeat; gives how much had been heard before."""
        before = len(self.system.heard)
        await self.station.inject(fault)
        await self.system.say([2, "ask", "TriggerMessage", HEARTBEAT])
        return before


@pytest.fixture(params=VERSIONS)
async def wire(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Wire]:
    """A charge point of each version that has told all of its statuses."""
    system = RawSystem(request.param)
    await system.open()
    async with simulated(tmp_path, request.param, system.url()) as station:
        told = 3 if request.param == "ocpp1.6" else 2  # 1.6 tells of connector 0 as well
        await system.holds(lambda: sum(m.calls("StatusNotification") for m in system.heard) == told)
        yield Wire(system, station)
    await system.close()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("ocpp:not_json@Heartbeat*1", "<html>[2,"),
        ("ocpp:truncated@Heartbeat*1", "[2,"),
        ("ocpp:wrong_arity@Heartbeat*1", '"Heartbeat"]'),
        ("ocpp:unknown_type@Heartbeat*1", "[7,"),
        ("ocpp:unknown_action@Heartbeat*1", '"BrewCoffee"'),
    ],
)
async def test_frame_is_malformed_as_the_fault_says(wire: Wire, fault: str, text: str) -> None:
    """One heartbeat leaves in the broken form, and the fault is used up."""
    before = await wire.triggered(fault)

    broken = await wire.system.until(lambda m: text in m.text and not m.calls("Heartbeat"), before)

    assert "Available" not in broken.text
    state = wire.station.simulator.fleet.pile("B-01")
    assert state.ocpp_faults == ()


async def test_frame_is_binary_fragmented_or_slow(wire: Wire) -> None:
    """The same words come as bytes, in many pieces, or over a time."""
    first = await wire.triggered("ocpp:binary@Heartbeat*1")
    binary = await wire.system.until(lambda m: m.calls("Heartbeat"), first)
    second = await wire.triggered("ocpp:fragmented@Heartbeat*1")
    pieces = await wire.system.until(lambda m: m.calls("Heartbeat"), second)
    third = await wire.triggered("ocpp:slow:0.2@Heartbeat*1")
    began_s = asyncio.get_running_loop().time()
    slow = await wire.system.until(lambda m: m.calls("Heartbeat"), third)

    assert binary.is_binary
    assert not pieces.is_binary
    assert max(len(part) for part in pieces.parts) == 16
    assert len(slow.parts) >= 8
    assert asyncio.get_running_loop().time() - began_s >= 0.15


async def test_frame_is_oversized_by_so_many_bytes(wire: Wire) -> None:
    """The padding has the length that was asked for."""
    before = await wire.triggered("ocpp:oversized:70000@Heartbeat*1")

    big = await wire.system.until(lambda m: m.calls("Heartbeat"), before)

    assert len(big.frame[3]["padding"]) == 70_000


async def test_frame_repeats_the_id_of_the_one_before(wire: Wire) -> None:
    """Two heartbeats arrive under one id."""
    first = await wire.triggered("ocpp:no_heartbeat")
    one = await wire.system.until(lambda m: m.calls("Heartbeat"), first)
    answered = len(wire.system.heard)
    await wire.station.inject("ocpp:duplicate_id@Heartbeat*1")
    await wire.system.say([2, one.frame[1] + "-x", "TriggerMessage", HEARTBEAT])

    two = await wire.system.until(lambda m: m.calls("Heartbeat"), answered)

    # The frame before the second heartbeat is the answer to the trigger.
    assert two.frame[1] == one.frame[1] + "-x"


async def test_socket_is_dropped_in_the_middle_of_a_frame(wire: Wire) -> None:
    """A part of the message arrives, then the connection is gone; the pile comes back."""
    await wire.triggered("ocpp:half_frame@Heartbeat*1")

    await wire.system.holds(lambda: len(wire.system.connections) == 2)

    assert wire.system.broken
    assert "".join(map(str, wire.system.broken[0])).startswith("[2,")


async def test_socket_is_dropped_instead_of_a_frame(wire: Wire) -> None:
    """No heartbeat arrives on the first connection, and the pile comes back."""
    before = await wire.triggered("ocpp:drop@Heartbeat*1")

    await wire.system.until(lambda m: m.connection == 2)

    first = [m for m in wire.system.heard[before:] if m.connection == 1]
    assert not any(m.calls("Heartbeat") for m in first)


@pytest.mark.slow
async def test_half_open_socket_answers_not_even_pings(wire: Wire) -> None:
    """The socket stays; calls and pings are not heard until the fault is cleared."""
    socket = wire.system.connections[-1]
    await (await asyncio.wait_for(socket.ping(), 60))
    before = await wire.triggered("ocpp:half_open")

    waiting = await socket.ping()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.3)
    quiet = len(wire.system.heard) == before
    await wire.station.clear()
    await asyncio.wait_for(waiting, 60)

    assert quiet
    assert len(wire.system.connections) == 1


@pytest.mark.parametrize(
    "code", ["NotImplemented", "InternalError", "SecurityError", "TypeConstraintViolation"]
)
async def test_call_is_answered_with_the_error_that_is_wanted(wire: Wire, code: str) -> None:
    """A CALLERROR with that code, for that action alone, as often as asked."""
    before = await wire.triggered(f"ocpp:error:{code}@TriggerMessage*1")
    refused = await wire.system.until(lambda m: m.frame[1] == "ask", before)
    await wire.system.say([2, "again", "TriggerMessage", HEARTBEAT])
    accepted = await wire.system.until(lambda m: m.frame[1] == "again", before)

    assert refused.frame[:3] == [4, "ask", code]
    assert accepted.frame[2] == {"status": "Accepted"}


async def test_answers_are_missing_doubled_misnamed_or_late(wire: Wire) -> None:
    """Each fault of answers does what it is called, and other actions are answered."""
    await wire.triggered("ocpp:no_answer@TriggerMessage*1")
    await wire.system.until(lambda m: m.calls("Heartbeat"))
    missing = [m for m in wire.system.heard if m.frame[1] == "ask"]
    before = await wire.triggered("ocpp:answers_twice@TriggerMessage*1")
    await wire.system.until(lambda m: m.calls("Heartbeat"), before)
    doubled = [m for m in wire.system.heard[before:] if m.frame[1] == "ask"]
    before = await wire.triggered("ocpp:wrong_id@TriggerMessage*1")
    strange = await wire.system.until(lambda m: m.frame[0] == 3, before)
    before = await wire.triggered("ocpp:late_answer:0.2@TriggerMessage*1")
    late = await wire.system.until(lambda m: m.frame[1] == "ask", before)

    assert (missing, len(doubled)) == ([], 2)
    assert strange.frame[1] != "ask"
    order = wire.system.heard[before:]
    assert order.index(late) > [m.calls("Heartbeat") for m in order].index(True)


async def test_answer_to_a_call_that_was_never_made(wire: Wire) -> None:
    """A CALLRESULT with an unknown id goes ahead of a call."""
    before = await wire.triggered("ocpp:stray_answer@Heartbeat*1")

    stray = await wire.system.until(lambda m: m.frame[0] == 3 and m.frame[1] != "ask", before)
    beat = await wire.system.until(lambda m: m.calls("Heartbeat"), before)

    assert wire.system.heard.index(stray) < wire.system.heard.index(beat)


async def test_unknown_fault_is_refused_with_the_known_ones(wire: Wire) -> None:
    """The bench names what it knows; a wrong value is told, too."""
    for fault, word in (
        ("ocpp:nonsense", "not_json"),
        ("ocpp:error:Nonsense", "GenericError"),
        ("ocpp:clock", "wants a value"),
        ("ocpp:slow:-1", "0 to 3600"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await wire.station.inject(fault)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert word in (refused.value.details() or "")


def test_message_knows_what_it_is() -> None:
    """The listener tells calls from junk, so that the tests above mean something."""
    assert Message([json.dumps([2, "1", "Heartbeat", {}])], 1).calls("Heartbeat")
    assert not Message(["<html>"], 1).calls("Heartbeat")
