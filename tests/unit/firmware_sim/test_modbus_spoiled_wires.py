"""What each fault of a wire is on a raw socket, byte by byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from pilewise.v1 import bench_service_pb2 as pb

STEPPED = '[sim]\nmode = "stepped"\n'
ABB = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nmax_power_kw = 11.04\n'
RATED = bytes.fromhex("0007 0000 0006 01 03 4006 0002")
RATED_ANSWER = bytes.fromhex("0007 0000 0007 01 03 04 00003E80")
SESSION = bytes.fromhex("0009 0000 0006 01 06 4105 0001")
QUIET_S = 0.15


@asynccontextmanager
async def line(
    address: tuple[str, int],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def heard(reader: asyncio.StreamReader, size: int, within_s: float = 3.0) -> bytes:
    """So many bytes, or what came until the end."""
    async with asyncio.timeout(within_s):
        try:
            return await reader.readexactly(size)
        except asyncio.IncompleteReadError as end:
            return end.partial


async def is_quiet(reader: asyncio.StreamReader) -> bool:
    """Whether neither a byte nor the end of the connection comes for a while."""
    try:
        async with asyncio.timeout(QUIET_S):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def broken(simulate: Callable, fault: str) -> tuple[object, tuple[str, int]]:
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault=f"wire:{fault}"))
    return sim, sim.address("A-01")


@pytest.mark.parametrize(
    ("fault", "request_bytes", "expected"),
    [
        ("empty", RATED, "0007 0000 0003 01 03 00"),
        ("wrong_function", RATED, "0007 0000 0007 01 04 04 00003E80"),
        ("wrong_count", RATED, "0007 0000 0007 01 03 06 00003E80"),
        ("wrong_function", SESSION, "0009 0000 0006 01 05 4105 0001"),
        ("wrong_count", SESSION, "0009 0000 0006 01 06 4105 0003"),
        ("empty", SESSION, "0009 0000 0002 01 06"),
        ("wrong_count@0x4006-0x4007", RATED, "0007 0000 0007 01 03 06 00003E80"),
        ("wrong_count@0x400C-0x400D", RATED, "0007 0000 0007 01 03 04 00003E80"),
    ],
)
async def test_spoiled_answer_has_these_bytes(
    simulate: Callable, fault: str, request_bytes: bytes, expected: str
) -> None:
    """The answer of a read and of a write, with what the fault puts in their place."""
    _, address = await broken(simulate, fault)
    async with line(address) as (reader, writer):
        writer.write(request_bytes)

        assert await heard(reader, len(bytes.fromhex(expected))) == bytes.fromhex(expected)
        assert await is_quiet(reader)


@pytest.mark.parametrize(
    "fault",
    [
        "silent",
        "exception:4",
        "delay:0.3",
        "disconnect",
        "hangup",
        "half_open",
        "flapping:9",
        "truncate",
        "empty",
        "junk:5",
        "split:0.3",
        "drip:0.3",
        "bad_crc",
        "wrong_unit",
        "wrong_function",
        "wrong_count",
        "wrong_transaction",
        "stale",
    ],
)
async def test_fault_is_limited_by_registers_and_by_number(simulate: Callable, fault: str) -> None:
    """Other registers are answered as ever; of the named ones so many requests meet the fault."""
    sim, address = await broken(simulate, f"{fault}@0x4006-0x4007*1")
    async with line(address) as (reader, writer):
        writer.write(bytes.fromhex("0008 0000 0006 01 03 400C 0002"))
        other = await heard(reader, 13)
        writer.write(RATED)
        try:
            async with asyncio.timeout(QUIET_S):
                spoiled = await reader.read(13)
        except TimeoutError:
            spoiled = b"silence"
    async with line(address) as (reader, writer):
        writer.write(RATED)
        after = await heard(reader, 13)

    assert other == bytes.fromhex("0008 0000 0007 01 03 04 00000000")
    assert spoiled != RATED_ANSWER
    assert after == RATED_ANSWER
    assert sim.simulator.fleet.pile("A-01").wire is None  # type: ignore[attr-defined]


async def test_junk_is_so_many_bytes_and_the_same_in_every_run(simulate: Callable) -> None:
    """Junk has the length asked for, is no frame, and can be told again."""
    _, address = await broken(simulate, "junk:32*2")
    async with line(address) as (reader, writer):
        writer.write(RATED)
        first = await heard(reader, 32)
        writer.write(RATED)
        second = await heard(reader, 32)
        writer.write(RATED)

        assert first == second
        assert first != RATED_ANSWER
        assert await heard(reader, 13) == RATED_ANSWER


@pytest.mark.parametrize(("fault", "least_s"), [("split:0.1", 0.1), ("drip:0.01", 0.12)])
async def test_answer_in_pieces_is_whole_in_the_end(
    simulate: Callable, fault: str, least_s: float
) -> None:
    """Half a frame and the rest later, or byte by byte: all comes, and takes its time."""
    _, address = await broken(simulate, fault)
    async with line(address) as (reader, writer):
        begun_s = time.monotonic()
        writer.write(RATED)
        first = await heard(reader, 1)
        rest = await heard(reader, 12)

        assert first + rest == RATED_ANSWER
        assert time.monotonic() - begun_s >= least_s


async def test_answer_that_drips_ends_with_its_connection(simulate: Callable) -> None:
    """Dropped in the middle of an answer, the device sends no more of it and nothing lingers."""
    sim, address = await broken(simulate, "drip:0.2")
    async with line(address) as (reader, writer):
        writer.write(RATED)
        first = await heard(reader, 1)
        fault = pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:disconnect")
        await sim.bench.InjectFault(fault)  # type: ignore[attr-defined]
        rest = await heard(reader, 12)
    await asyncio.sleep(0)

    assert (first, rest) == (RATED_ANSWER[:1], b"")
    assert [task for task in asyncio.all_tasks() if task.get_name() == "firmware_sim:slow"] == []


async def test_late_answer_comes_to_the_question_after(simulate: Callable) -> None:
    """Who asks again after a time-out gets the answer to the first question first."""
    _, address = await broken(simulate, "delay:0.3*1")
    async with line(address) as (reader, writer):
        writer.write(RATED)
        assert await is_quiet(reader)
        writer.write(bytes.fromhex("0008 0000 0006 01 03 400C 0002"))

        answers = await heard(reader, 26)

        assert answers[:13] == RATED_ANSWER
        assert answers[13:] == bytes.fromhex("0008 0000 0007 01 03 04 00000000")


async def test_half_open_wire_takes_connections_and_never_says_anything(
    simulate: Callable,
) -> None:
    """A new connection is accepted, a question stays unanswered, and closing our side brings no
    end from the other one; when it is mended the connection ends."""
    sim, address = await broken(simulate, "half_open")
    async with line(address) as (reader, writer):
        writer.write(RATED)
        assert await is_quiet(reader)
        writer.write_eof()
        assert await is_quiet(reader)

        await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="A-01*1"))  # type: ignore[attr-defined]

        assert await heard(reader, 1) == b""


async def test_open_connection_goes_mute_when_the_wire_is_half_open(simulate: Callable) -> None:
    """Nothing falls when it begins: the connection is there and says no more."""
    sim = await simulate(STEPPED + ABB)
    async with line(sim.address("A-01")) as (reader, writer):
        writer.write(RATED)
        before = await heard(reader, 13)
        fault = pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:half_open")
        await sim.bench.InjectFault(fault)
        writer.write(RATED)

        assert before == RATED_ANSWER
        assert await is_quiet(reader)


async def test_without_it_a_connection_that_is_closed_on_one_side_ends(simulate: Callable) -> None:
    """A healthy device closes when its peer does: what half-open keeps from happening."""
    sim = await simulate(STEPPED + ABB)
    async with line(sim.address("A-01")) as (reader, writer):
        writer.write_eof()

        assert await heard(reader, 1) == b""


@pytest.mark.slow
async def test_flapping_wire_is_down_and_up_in_turn(simulate: Callable) -> None:
    """Down at once: open connections fall and new ones are closed. After the period it serves,
    and at the end of that the connection falls again."""
    sim = await simulate(STEPPED + ABB)
    async with line(sim.address("A-01")) as (open_before, writer):
        writer.write(RATED)
        await heard(open_before, 13)
        fault = pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:flapping:0.4")
        await sim.bench.InjectFault(fault)
        assert await heard(open_before, 1) == b""
    async with line(sim.address("A-01")) as (down, _):
        assert await heard(down, 1) == b""

    served_s, answered = await first_answer(sim.address("A-01"))

    assert answered == RATED_ANSWER
    # Up for 0.4 s at most, whenever in that time the connection was made.
    assert 0 < served_s <= 0.4 + 0.2


async def first_answer(address: tuple[str, int]) -> tuple[float, bytes]:
    """How long the first connection that is answered lasts, s, and the answer."""
    async with asyncio.timeout(60):
        while True:
            async with line(address) as (reader, writer):
                begun_s = time.monotonic()
                writer.write(RATED)
                try:
                    answer = await reader.readexactly(13)
                except (asyncio.IncompleteReadError, ConnectionError):
                    await asyncio.sleep(0.02)
                    continue
                with suppress(ConnectionError):
                    await reader.read(1)
                return time.monotonic() - begun_s, answer


async def test_two_questions_in_one_segment_are_both_answered(simulate: Callable) -> None:
    """A master that does not wait gets its answers in the order of its questions."""
    sim = await simulate(STEPPED + ABB)
    async with line(sim.address("A-01")) as (reader, writer):
        writer.write(RATED + bytes.fromhex("0008 0000 0006 01 03 400C 0002"))

        answers = await heard(reader, 26)

    assert answers == RATED_ANSWER + bytes.fromhex("0008 0000 0007 01 03 04 00000000")


@pytest.mark.parametrize(
    "word",
    ["junk", "junk:0", "junk:70000", "split", "drip:-1", "flapping", "flapping:0", "half_open:1"],
)
async def test_wire_word_with_a_wrong_value_is_refused(simulate: Callable, word: str) -> None:
    """A fault that needs a number says so, and one that needs none takes none."""
    sim = await simulate(STEPPED + ABB)

    with pytest.raises(Exception, match=word.split(":")[0]):
        await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault=f"wire:{word}"))
