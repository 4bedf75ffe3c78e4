"""RTU frames on a serial line, byte by byte: check sums, silences, units, parity."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from serial_pair import need_pyserial, serial_pair

from firmware_sim.errors import BindError
from firmware_sim.faces.modbus_server import LineSettings
from pilewise.v1 import bench_service_pb2 as pb

STEPPED = '[sim]\nmode = "stepped"\n'
ABB = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nmax_power_kw = 11.04\n'
QUIET_S = 0.25


def crc(frame: bytes) -> bytes:
    """The check sum of the standard, worked bit by bit: polynomial 0xA001, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def whole(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc(body)


ASK, ANSWER = whole("01 03 4006 0002"), whole("01 03 04 00003E80")


@asynccontextmanager
async def end_of(path: Path) -> AsyncIterator[int]:
    """The master's end of a line, raw."""
    handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


async def heard(handle: int, size: int, within_s: float = 3.0) -> bytes:
    """So many bytes, or what came in that time."""
    got = b""
    until_s = time.monotonic() + within_s
    while len(got) < size and time.monotonic() < until_s:
        try:
            got += os.read(handle, size - len(got))
        except BlockingIOError:
            await asyncio.sleep(0.002)
    return got


def on_line(path: Path, more: str = "") -> str:
    return ABB + f'transport = "rtu"\nserial_line = "{path}"\n{more}'


@pytest.mark.slow
async def test_frame_with_a_wrong_check_sum_is_not_answered(
    simulate: Callable, tmp_path: Path
) -> None:
    """One bit off and the line stays quiet; the next whole frame is answered with its check sum."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device))
        async with end_of(pair.master) as line:
            os.write(line, ASK[:-1] + bytes((ASK[-1] ^ 1,)))
            nothing = await heard(line, 1, QUIET_S)
            os.write(line, ASK)

            assert (nothing, await heard(line, len(ANSWER))) == (b"", ANSWER)


@pytest.mark.slow
async def test_frame_that_was_broken_off_is_void_after_a_silence(
    simulate: Callable, tmp_path: Path
) -> None:
    """Half a frame, then silence, then a whole one: the whole one is answered, once."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device))
        async with end_of(pair.master) as line:
            os.write(line, ASK[:4])
            await asyncio.sleep(0.2)
            os.write(line, ASK)

            assert await heard(line, len(ANSWER) + 1, 0.6) == ANSWER


@pytest.mark.slow
async def test_frame_in_two_bursts_without_a_silence_is_whole(
    simulate: Callable, tmp_path: Path
) -> None:
    """What an adapter hands over in two bursts is one frame."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device))
        async with end_of(pair.master) as line:
            os.write(line, ASK[:4])
            os.write(line, ASK[4:])

            assert await heard(line, len(ANSWER)) == ANSWER


@pytest.mark.slow
async def test_line_keeps_three_and_a_half_characters_of_silence(
    simulate: Callable, tmp_path: Path
) -> None:
    """At 300 baud, eight bits and no parity, an answer comes 117 ms after its question or later."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device, "baud = 300\n"))
        async with end_of(pair.master) as line:
            begun_s = time.monotonic()
            os.write(line, ASK)
            answer = await heard(line, len(ANSWER))

    assert answer == ANSWER
    assert time.monotonic() - begun_s >= 3.5 * 10 / 300


@pytest.mark.slow
async def test_view_names_the_line_that_a_write_came_from(
    simulate: Callable, tmp_path: Path
) -> None:
    """A master on a line has no address; the line's path stands for it."""
    async with serial_pair(tmp_path) as pair:
        sim = await simulate(STEPPED + on_line(pair.device))
        async with end_of(pair.master) as line:
            order = whole("01 06 4106 0021")
            os.write(line, order)
            answer = await heard(line, len(order))
        rows = sim.simulator._modbus["A-01"].rows()

    assert answer == order
    assert [row.writer for row in rows if row.address == 0x4106] == [str(pair.device)]


@pytest.mark.parametrize(
    ("baud", "parity", "stop_bits", "silence_s"),
    [
        (9600, "N", 1, 3.5 * 10 / 9600),
        (9600, "E", 1, 3.5 * 11 / 9600),
        (19200, "N", 2, 3.5 * 11 / 19200),
        (57600, "N", 2, 0.00175),
    ],
)
def test_silence_goes_with_the_baud_rate(
    baud: int, parity: str, stop_bits: int, silence_s: float
) -> None:
    """3.5 characters of ten or eleven bits; above 19200 baud 1.75 ms, as the standard fixes it."""
    assert LineSettings("", baud, parity, stop_bits).silence_s == pytest.approx(silence_s)


@pytest.mark.slow
async def test_three_units_share_a_line_and_a_fourth_is_silent(
    simulate: Callable, tmp_path: Path
) -> None:
    """Each answers to its own unit with its own state; nobody answers for unit 9, nor to 0."""
    async with serial_pair(tmp_path) as pair:
        text = "".join(
            on_line(pair.device, f"unit_id = {unit}\n").replace("A-01", f"A-0{unit}")
            for unit in (1, 2, 3)
        )
        sim = await simulate(STEPPED + text)
        await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-02*1", soc_pct=30))
        async with end_of(pair.master) as line:
            states = []
            for unit in (1, 2, 3):
                os.write(line, whole(f"0{unit} 03 400C 0002"))
                states.append(await heard(line, 9))
            silences = []
            for unit in ("09", "00"):
                os.write(line, whole(f"{unit} 03 400C 0002"))
                silences.append(await heard(line, 1, QUIET_S))

    assert states == [
        whole("01 03 04 00000000"),
        whole("02 03 04 00000200"),
        whole("03 03 04 00000000"),
    ]
    assert silences == [b"", b""]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("silent", b""),
        ("disconnect", b""),
        ("hangup", b""),
        ("half_open", b""),
        ("bad_crc", ANSWER[:-1] + bytes((ANSWER[-1] ^ 0xFF,))),
        ("truncate", ANSWER[: len(ANSWER) // 2]),
        ("wrong_unit", whole("02 03 04 00003E80")),
        ("wrong_function", whole("01 04 04 00003E80")),
        ("wrong_count", whole("01 03 06 00003E80")),
        ("empty", whole("01 03 00")),
        ("exception:6", whole("01 83 06")),
    ],
)
async def test_fault_of_a_line_and_then_its_end(
    simulate: Callable, tmp_path: Path, fault: str, expected: bytes
) -> None:
    """Each fault is these bytes on the line, and the line works when it is over."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device, f'wire_fault = "wire:{fault}*1"\n'))
        async with end_of(pair.master) as line:
            os.write(line, ASK)
            spoiled = await heard(line, len(ANSWER) + 1, QUIET_S)
            os.write(line, ASK)

            assert (spoiled, await heard(line, len(ANSWER))) == (expected, ANSWER)


@pytest.mark.slow
async def test_pseudo_terminal_stands_for_a_line_with_parity(
    simulate: Callable, tmp_path: Path
) -> None:
    """A pseudo-terminal has no parity bit: a pile that is set to 8E1 is served on it all the same,
    whether the kernel takes the setting or refuses it."""
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + on_line(pair.device, 'parity = "E"\nstop_bits = 1\nbaud = 9600\n'))
        async with end_of(pair.master) as line:
            os.write(line, ASK)

            assert await heard(line, len(ANSWER)) == ANSWER


async def test_line_that_is_none_is_told(simulate: Callable, tmp_path: Path) -> None:
    """A path that leads nowhere is a clear error with that path."""
    need_pyserial()
    with pytest.raises(BindError, match="nowhere"):
        await simulate(STEPPED + on_line(tmp_path / "nowhere"))
