"""Modbus over RTU and gateways, the faults of their wires, and models with limits."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from serial_pair import need, serial_pair

from firmware_sim.config import load_config
from firmware_sim.errors import ConfigError
from pilewise.v1 import bench_service_pb2 as pb

STEPPED = '[sim]\nmode = "stepped"\n'
ABB = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nmax_power_kw = 11.04\n'
# Longer than a busy machine takes to answer, short enough to wait for nothing.
SILENCE_S = 1.0


@asynccontextmanager
async def master(
    address: tuple[str, int], framer: FramerType = FramerType.SOCKET
) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient(
        address[0], port=address[1], framer=framer, timeout=1.0, retries=0, reconnect_delay=0
    )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def exchange(address: tuple[str, int], *requests: str) -> list[bytes]:
    """What comes back for each raw request on one connection, until nothing more comes."""
    reader, writer = await asyncio.open_connection(*address)
    answers = []
    for request in requests:
        writer.write(bytes.fromhex(request))
        try:
            async with asyncio.timeout(SILENCE_S):
                answers.append(await reader.read(300))
        except TimeoutError:
            answers.append(b"silence")
        except ConnectionError:
            answers.append(b"")
    writer.close()
    return answers


def crc(frame: bytes) -> bytes:
    """The check sum of the standard, worked bit by bit: polynomial 0xA001, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


READ_STATE = "0007 0000 0006 01 03 400C 0002"
STATE = bytes.fromhex("0007 0000 0007 01 03 04 00000000")


async def test_rtu_frames_are_carried_over_tcp(simulate: Callable) -> None:
    """A pile behind a serial device server answers RTU frames with a check sum."""
    sim = await simulate(STEPPED + ABB + 'transport = "rtu-over-tcp"\n')
    request = bytes.fromhex("01 03 4006 0002")

    [answer] = await exchange(sim.address("A-01"), (request + crc(request)).hex())

    body = bytes.fromhex("01 03 04 0000 3E80")
    assert answer == body + crc(body)


async def test_piles_behind_a_gateway_answer_to_their_units(simulate: Callable) -> None:
    """Two piles on one port are told apart by unit; a third unit is refused by the gateway."""
    second = ABB.replace("A-01", "A-02") + 'bus = "g"\nunit_id = 2\n'
    sim = await simulate(STEPPED + ABB + 'bus = "g"\n' + second)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-02*1", soc_pct=30))

    async with master(sim.address("A-01")) as client:
        first = await client.read_holding_registers(0x400A, count=2, device_id=1)
        other = await client.read_holding_registers(0x400A, count=2, device_id=2)
        absent = await client.read_holding_registers(0x400A, count=2, device_id=3)

    assert sim.address("A-01") == sim.address("A-02")
    assert (first.registers, other.registers) == ([0, 0], [0, 0x0111])
    assert absent.exception_code == 11


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("truncate", STATE[:6]),
        ("bad_crc", bytes.fromhex("0007 00FF 0007 01 03 04 00000000")),
        ("wrong_unit", bytes.fromhex("0007 0000 0007 02 03 04 00000000")),
        ("wrong_transaction", bytes.fromhex("0008 0000 0007 01 03 04 00000000")),
        ("exception:4", bytes.fromhex("0007 0000 0003 01 83 04")),
        ("exception:2@0x400D-0x400D", bytes.fromhex("0007 0000 0003 01 83 02")),
        ("exception:2@0x4000-0x400B", STATE),
        ("disconnect@0x400C-0x400C", b""),
        ("hangup", b""),
    ],
)
async def test_wire_fault_spoils_the_answer(
    simulate: Callable, fault: str, expected: bytes
) -> None:
    """Each fault shows on the wire as the bytes that it stands for."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault=f"wire:{fault}"))

    [answer] = await exchange(sim.address("A-01"), READ_STATE)

    assert answer == expected


async def test_bad_check_sum_of_an_rtu_frame(simulate: Callable) -> None:
    """The data of the frame are whole, its check sum is not."""
    sim = await simulate(STEPPED + ABB + 'transport = "rtu-over-tcp"\nwire_fault = "wire:bad_crc"')
    request = bytes.fromhex("01 03 4006 0002")

    [answer] = await exchange(sim.address("A-01"), (request + crc(request)).hex())

    assert answer[:-2] == bytes.fromhex("01 03 04 0000 3E80")
    assert answer[-2:] != crc(answer[:-2])


async def test_wire_fault_ends_after_so_many_requests(simulate: Callable) -> None:
    """A fault for two requests spoils two, and then the wire is well by itself."""
    sim = await simulate(STEPPED + ABB)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:exception:6*2"))

    answers = await exchange(sim.address("A-01"), *[READ_STATE] * 3)
    state = await sim.bench.GetState(pb.GetStateRequest(evse_id="A-01*1"))

    assert [answer[7] for answer in answers] == [0x83, 0x83, 0x03]
    assert not state.state.faults


async def test_stale_wire_answers_the_question_before(simulate: Callable) -> None:
    """Every answer comes one question too late, with the number of the question it belongs to."""
    sim = await simulate(STEPPED + ABB + 'wire_fault = "wire:stale"\n')

    answers = await exchange(sim.address("A-01"), READ_STATE, "0008 0000 0006 01 03 4006 0001")

    assert answers == [b"silence", STATE]


@pytest.mark.parametrize("word", ["exception:6", "truncate", "hangup", "silent*3"])
async def test_modbus_wire_fault_is_refused_for_an_ocpp_pile(tmp_path: Path, word: str) -> None:
    """What only Modbus frames can suffer is a mistake for a pile that speaks OCPP."""
    path = tmp_path / "sim.toml"
    path.write_text(
        '[[pile]]\npile_id = "B"\nface = "ocpp16"\nurl = "ws://127.0.0.1:1/B"\n'
        f'wire_fault = "wire:{word}"\n'
    )

    if "silent" in word:
        assert load_config(path).piles[0].spec.wire is not None
        return
    with pytest.raises(ConfigError, match="CFG-127"):
        load_config(path)


def test_piles_that_cannot_share_a_bus_are_told(tmp_path: Path) -> None:
    """Equal unit ids, other settings and a wire fault that is none are all told at once."""
    path = tmp_path / "sim.toml"
    shared = ABB + 'bus = "g"\n'
    path.write_text(
        shared
        + shared.replace("A-01", "A-02")
        + shared.replace("A-01", "A-03")
        + 'unit_id = 3\ntransport = "rtu-over-tcp"\n'
        + ABB.replace("A-01", "A-04")
        + 'wire_fault = "wire:worms"\n'
    )

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    told = [(found.code, found.path) for found in caught.value.findings]
    assert told == [
        ("CFG-023", "pile[1]"),
        ("CFG-020", "pile[2]"),
        ("CFG-127", "pile[3].wire_fault"),
    ]


def test_unit_ids_of_sockets_count_on_a_bus(tmp_path: Path) -> None:
    """The second socket of an Alfen is unit 2, and two stations would both be unit 200."""
    path = tmp_path / "sim.toml"
    alfen = ABB.replace("abb-terra-ac", "alfen-ng9xx") + 'bus = "g"\nconnectors = 2\n'
    path.write_text(
        alfen
        + ABB.replace("A-01", "A-02")
        + 'bus = "g"\nunit_id = 2\n'
        + alfen.replace("A-01", "A-03")
        + "unit_id = 10\n"
    )

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    told = [(found.code, found.path, found.message) for found in caught.value.findings]
    assert told == [
        ("CFG-023", "pile[1]", "unit 2 exists already on bus g"),
        ("CFG-023", "pile[2]", "unit 200 exists already on bus g"),
    ]


async def test_keba_gives_two_registers_at_once(simulate: Callable) -> None:
    """A P30 answers a read of two registers and refuses one of three."""
    keba = ABB.replace("abb-terra-ac", "keba-p30")
    sim = await simulate(STEPPED + keba)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=12))

    async with master(sim.address("A-01")) as client:
        power = await client.read_holding_registers(1020, count=2, device_id=255)
        more = await client.read_holding_registers(1020, count=3, device_id=255)

    assert power.registers == [11_040_000 >> 16, 11_040_000 & 0xFFFF]
    assert more.exception_code == 3


async def test_bender_hangs_up_on_registers_it_does_not_have(simulate: Callable) -> None:
    """A read of the state of charge closes the connection; the next connection works."""
    sim = await simulate(STEPPED + ABB.replace("abb-terra-ac", "bender-cc613"))

    [closed] = await exchange(sim.address("A-01"), "0001 0000 0006 01 03 02DA 0001")
    [status] = await exchange(sim.address("A-01"), "0002 0000 0006 09 03 0068 0001")

    assert closed == b""
    assert status == bytes.fromhex("0002 0000 0005 09 03 02 0000")


async def test_coils_of_a_phoenix_controller_switch_it(simulate: Callable) -> None:
    """Availability is a coil: switched off, the state reads F0 in input and holding registers."""
    sim = await simulate(STEPPED + ABB.replace("abb-terra-ac", "phoenix-ev-cc"))

    async with master(sim.address("A-01")) as client:
        before = await client.read_coils(20000, count=2, device_id=1)
        await client.write_coil(20001, False, device_id=1)
        after = await client.read_coils(20000, count=2, device_id=1)
        shown = await client.read_input_registers(24000, count=1, device_id=1)
        held = await client.read_holding_registers(24000, count=1, device_id=1)
        absent = await client.read_coils(20003, count=1, device_id=1)

    assert (before.bits[:2], after.bits[:2]) == ([True, True], [True, False])
    assert shown.registers == held.registers == [0x4630]
    assert absent.exception_code == 2


@pytest.mark.slow
async def test_piles_share_a_serial_line(simulate: Callable, tmp_path: Path) -> None:
    """Two piles on one line answer to their units; a unit that is not there is silent."""
    async with serial_pair(tmp_path) as pair:
        line = f'transport = "rtu"\nserial_line = "{pair.device}"\n'
        second = ABB.replace("A-01", "A-02") + line + "unit_id = 2\n"
        await simulate(STEPPED + ABB + line + second)
        client = AsyncModbusSerialClient(
            str(pair.master), baudrate=19200, timeout=1.0, retries=0, reconnect_delay=0
        )
        assert await client.connect()

        answers = [
            await client.read_holding_registers(0x4006, count=2, device_id=unit) for unit in (1, 2)
        ]
        with pytest.raises(ModbusException):
            await client.read_holding_registers(0x4006, count=2, device_id=3)
        client.close()

    assert [answer.registers for answer in answers] == [[0, 16_000]] * 2


async def mbpoll(*arguments: str) -> str:
    """What Debian's mbpoll prints."""
    process = await asyncio.create_subprocess_exec(
        need("mbpoll"), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode()


async def test_mbpoll_reads_a_pile_over_tcp(simulate: Callable) -> None:
    """A foreign master reads the rated current, 16 A, over Modbus TCP."""
    need("mbpoll")
    sim = await simulate(STEPPED + ABB)
    host, port = sim.address("A-01")

    said = await mbpoll("-0", "-1", "-a1", "-r16390", "-c2", "-t4", f"-p{port}", host)

    assert "[16391]: \t16000" in said


@pytest.mark.slow
async def test_mbpoll_reads_a_pile_over_a_serial_line(simulate: Callable, tmp_path: Path) -> None:
    """A foreign master reads the rated current over RTU, eight bits, no parity."""
    need("mbpoll")
    async with serial_pair(tmp_path) as pair:
        await simulate(STEPPED + ABB + f'transport = "rtu"\nserial_line = "{pair.device}"\n')

        said = await mbpoll(
            *("-m", "rtu", "-b19200", "-P", "none", "-0", "-1", "-a1", "-r16390", "-c2", "-t4"),
            str(pair.master),
        )

    assert "[16391]: \t16000" in said
