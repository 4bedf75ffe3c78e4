"""What each model does otherwise than a book of registers would, asked over a real socket."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import lose_power, plug_in, restore_power
from firmware_sim.core.evse import Car, Evse

STEPPED = '[sim]\nmode = "stepped"\n'


def pile(model: str, more: str = "") -> str:
    return (
        f'{STEPPED}[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "{model}"\n'
        f"max_power_kw = 22.08\n{more}"
    )


@asynccontextmanager
async def master(
    sim: object, framer: FramerType = FramerType.SOCKET
) -> AsyncIterator[AsyncModbusTcpClient]:
    host, port = sim.address("A-01")  # type: ignore[attr-defined]
    client = AsyncModbusTcpClient(
        host, port=port, framer=framer, timeout=1.0, retries=0, reconnect_delay=0
    )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


class Later:
    """The clock of a face's watchdog, moved on without waiting."""

    def __init__(self, sim: object) -> None:
        self.face = sim.simulator._modbus["A-01"]  # type: ignore[attr-defined]
        self.passed_s = 0.0
        self.face._monotonic_s = lambda: time.monotonic() + self.passed_s

    def pass_s(self, seconds: float) -> None:
        self.passed_s += seconds
        self.face.watch_master()


def charge(sim: object, number: int = 1) -> None:
    def change(evse: Evse) -> Evse:
        return advance(plug_in(evse, Car(Battery(60.0, 30.0, 120.0), 80.0), ""), 60)

    sim.simulator.fleet.change(f"A-01*{number}", change)  # type: ignore[attr-defined]


def power_kw(sim: object, number: int = 1) -> float:
    return float(sim.simulator.fleet.evse(f"A-01*{number}").power_kw)  # type: ignore[attr-defined]


def as_float(words: Sequence[int], low_first: bool = False) -> float:
    ordered = reversed(words) if low_first else words
    data = b"".join(word.to_bytes(2, "big") for word in ordered)
    return float(struct.unpack(">f" if len(words) == 2 else ">d", data)[0])


def floats(value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(">f", value)))


def code(answer: ModbusPDU) -> int:
    return int(answer.exception_code) if answer.isError() else 0


async def test_keba_gives_one_whole_value_at_once(simulate: Callable) -> None:
    """Three registers are too many, two that belong to two values are none that exist."""
    sim = await simulate(pile("keba-p30"))
    async with master(sim) as client:
        whole = await client.read_holding_registers(1008, count=2, device_id=255)
        cut = await client.read_holding_registers(1009, count=2, device_id=255)
        half = await client.read_holding_registers(1008, count=1, device_id=255)
        long = await client.read_holding_registers(1008, count=4, device_id=255)

    assert [code(answer) for answer in (whole, cut, half, long)] == [0, 2, 2, 3]


@pytest.mark.parametrize(("model", "zero"), [("keba-p30", 3), ("keba-p40", 0)])
async def test_keba_p40_switches_off_with_zero_and_a_p30_refuses_it(
    simulate: Callable, model: str, zero: int
) -> None:
    """0 A pauses a P40; a P30 takes 6 to 63 A; both refuse what lies between."""
    sim = await simulate(pile(model))
    charge(sim)
    async with master(sim) as client:
        between = await client.write_register(5004, 5_999, device_id=255)
        nothing = await client.write_register(5004, 0, device_id=255)

    assert (code(between), code(nothing)) == (3, zero)
    assert (power_kw(sim) == 0) == (model == "keba-p40")


async def test_keba_failsafe_holds_after_its_time_and_is_shown(simulate: Callable) -> None:
    """5016 and 5018 set it, 1600 and 1602 show it; without a time-out there is none."""
    sim = await simulate(pile("keba-p30"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        await client.read_holding_registers(1000, count=2, device_id=255)
        later.pass_s(3600)
        without_kw = power_kw(sim)
        await client.write_register(5016, 8_000, device_id=255)
        await client.write_register(5018, 30, device_id=255)
        shown = await client.read_holding_registers(1602, count=2, device_id=255)
        later.pass_s(29)
        before_kw = power_kw(sim)
        later.pass_s(2)
        after_kw = power_kw(sim)
        await client.read_holding_registers(1000, count=2, device_id=255)
    later.pass_s(1)

    assert shown.registers == [0, 30]
    assert [without_kw, before_kw, after_kw, power_kw(sim)] == [
        22.08,
        22.08,
        pytest.approx(5.52),
        22.08,
    ]


async def test_webasto_next_has_nothing_between_its_registers(simulate: Callable) -> None:
    """A read over a hole is refused as a whole; its error and session energy are single words."""
    sim = await simulate(pile("webasto-next"))
    async with master(sim) as client:
        together = await client.read_holding_registers(1000, count=3, device_id=255)
        over = await client.read_holding_registers(1000, count=5, device_id=255)
        wide = await client.read_holding_registers(1006, count=2, device_id=255)
        inputs = await client.read_input_registers(1008, count=1, device_id=255)
        absent = await client.read_input_registers(1020, count=2, device_id=255)

    assert [code(answer) for answer in (together, over, wide, inputs, absent)] == [0, 2, 2, 0, 2]


async def test_webasto_life_bit_is_taken_back_and_keeps_the_failsafe_away(
    simulate: Callable,
) -> None:
    """Reads do not count as life; 6000 = 1 does, and reads 0 again a moment later."""
    sim = await simulate(pile("webasto-next"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        await client.write_registers(2002, [20], device_id=255)
        await client.write_register(6000, 1, device_id=255)
        set_now = await client.read_holding_registers(6000, count=1, device_id=255)
        later.pass_s(15)
        reset = await client.read_holding_registers(6000, count=1, device_id=255)
        await client.write_register(6000, 1, device_id=255)
        later.pass_s(15)
        alive_kw = power_kw(sim)
        await client.read_holding_registers(1000, count=1, device_id=255)
        later.pass_s(6)
        silent_kw = power_kw(sim)
        other = await client.write_register(6000, 2, device_id=255)

    assert (set_now.registers, reset.registers) == ([1], [0])
    assert (alive_kw, silent_kw) == (22.08, pytest.approx(4.14))
    assert code(other) == 3


@pytest.mark.parametrize("model", ["webasto-next", "webasto-unite"])
async def test_webasto_serves_one_master(simulate: Callable, model: str) -> None:
    """The second master is served, the first one's connection is gone."""
    sim = await simulate(pile(model))
    async with master(sim) as first, master(sim) as second:
        served = await second.write_register(6000, 1, device_id=255)
        with pytest.raises(ModbusException):
            await first.write_register(6000, 1, device_id=255)

    assert code(served) == 0


async def test_unite_has_other_states_in_the_same_registers(simulate: Callable) -> None:
    """1000 is an input register there, and charging is 2; the energy counts tenths of a kWh."""
    next_one, unite = await simulate(pile("webasto-next")), await simulate(pile("webasto-unite"))
    charge(next_one)
    charge(unite)
    unite.simulator.fleet.change("A-01*1", lambda evse: advance(evse, 1800))
    async with master(next_one) as client:
        there = await client.read_holding_registers(1000, count=1, device_id=255)
    async with master(unite) as client:
        here = await client.read_input_registers(1000, count=1, device_id=255)
        refused = await client.read_holding_registers(1000, count=1, device_id=255)
        energy = await client.read_input_registers(1036, count=2, device_id=255)

    assert (there.registers, here.registers, code(refused)) == ([3], [2], 2)
    assert energy.registers == [0, int(unite.simulator.fleet.evse("A-01*1").meter.total_wh / 100)]


async def test_schneider_fills_its_holes_and_puts_the_low_word_first(simulate: Callable) -> None:
    """One read over a hole gives 0xFFFF there; outside of the filled ranges it is refused."""
    sim = await simulate(pile("schneider-evlink-pro-ac"))
    charge(sim)
    async with master(sim) as client:
        answer = await client.read_holding_registers(2999, count=12, device_id=255)
        outside = await client.read_holding_registers(150, count=2, device_id=255)
        inputs = await client.read_input_registers(150, count=1, device_id=255)

    assert as_float(answer.registers[:2], low_first=True) == 32.0
    assert answer.registers[6:10] == [0xFFFF] * 4
    assert (code(outside), code(inputs)) == (2, 1)


async def test_schneider_life_bit_can_be_switched_off(simulate: Callable) -> None:
    """Without it the degraded set-point holds; 2 ends the supervision for good."""
    sim = await simulate(pile("schneider-evlink-pro-ac"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        await client.write_register(4000, 1, device_id=255)
        await client.write_register(4006, 10, device_id=255)
        later.pass_s(11)
        degraded_kw = power_kw(sim)
        await client.write_register(4000, 2, device_id=255)
        later.pass_s(3600)

    assert (degraded_kw, power_kw(sim)) == (pytest.approx(6.9), 22.08)


async def test_schneider_commands_act_and_others_are_refused(simulate: Callable) -> None:
    """3 ends the session, 41 takes the pile out of service, 40 puts it back, 5 is none."""
    sim = await simulate(pile("schneider-evlink-pro-ac"))
    charge(sim)
    states = []
    async with master(sim) as client:
        for command in (3, 41, 40):
            await client.write_register(4001, command, device_id=255)
            answer = await client.read_holding_registers(150, count=1, device_id=255)
            states.append(answer.registers[0])
        none = await client.write_register(4001, 5, device_id=255)

    assert (states, code(none)) == ([6, 8, 6], 3)


async def test_alfen_setpoint_lapses_into_the_safe_current(simulate: Callable) -> None:
    """1208 counts the seconds down; at 0 the safe current holds until it is written again."""
    sim = await simulate(pile("alfen-ng9xx"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        before = await client.read_holding_registers(1208, count=2, device_id=1)
        await client.write_registers(1210, floats(16.0), device_id=1)
        fresh = await client.read_holding_registers(1208, count=2, device_id=1)
        later.pass_s(35)
        left = await client.read_holding_registers(1208, count=2, device_id=1)
        held_kw = power_kw(sim)
        later.pass_s(30)
        lapsed = await client.read_holding_registers(1208, count=7, device_id=1)
        lapsed_kw = power_kw(sim)
        await client.write_registers(1210, floats(16.0), device_id=1)
        later.pass_s(1)

    assert [a.registers[1] for a in (before, fresh, left, lapsed)] == [0, 60, 25, 0]
    assert lapsed.registers[6] == 0
    assert as_float(lapsed.registers[4:6]) == 6.0
    assert [held_kw, lapsed_kw, power_kw(sim)] == [pytest.approx(kw) for kw in (11.04, 4.14, 11.04)]


async def test_alfen_sockets_have_unit_ids_and_setpoints_of_their_own(simulate: Callable) -> None:
    """Units 1 and 2 are the sockets, 200 the station, another is nobody; one set-point lapses."""
    sim = await simulate(pile("alfen-ng9xx", "connectors = 2\n"))
    charge(sim, 1)
    charge(sim, 2)
    later = Later(sim)
    async with master(sim) as client:
        for unit in (1, 2):
            await client.write_registers(1210, floats(16.0), device_id=unit)
        later.pass_s(40)
        await client.write_registers(1210, floats(16.0), device_id=2)
        later.pass_s(25)
        count = await client.read_holding_registers(1105, count=1, device_id=200)
        station = await client.read_holding_registers(1201, count=5, device_id=200)
        nobody = await client.read_holding_registers(1201, count=5, device_id=3)

    assert (count.registers, code(station), code(nobody)) == ([2], 2, 11)
    assert (power_kw(sim, 1), power_kw(sim, 2)) == (pytest.approx(4.14), pytest.approx(11.04))


async def test_alfen_says_nan_for_what_its_meter_has_not_and_leaves_junk(
    simulate: Callable,
) -> None:
    """One read of the whole meter has numbers and NaN; behind the letter there are other bytes."""
    sim = await simulate(pile("alfen-ng9xx"))
    async with master(sim) as client:
        meter = await client.read_holding_registers(306, count=48, device_id=1)
        state = await client.read_holding_registers(1201, count=5, device_id=1)

    values = [as_float(meter.registers[at : at + 2]) for at in (0, 6, 22, 38, 40)]
    assert values[0] == 230.0
    assert [value != value for value in values] == [False, True, True, False, True]
    text = b"".join(word.to_bytes(2, "big") for word in state.registers)
    assert text.startswith(b"A\0")
    assert text.rstrip(b"\0")[1:] != b""


async def test_heidelberg_does_not_answer_who_asks_too_soon(simulate: Callable) -> None:
    """Within 100 ms of a request the next one stays without an answer; after them it has one."""
    sim = await simulate(pile("heidelberg-energy-control", 'transport = "rtu-over-tcp"\n'))
    async with master(sim, FramerType.RTU) as client:
        first = await client.read_input_registers(5, count=1, device_id=1)
        client.comm_params.timeout_connect = 0.3
        with pytest.raises(ModbusException):
            await client.read_input_registers(5, count=1, device_id=1)
        await asyncio.sleep(0.11)
        after = await client.read_input_registers(5, count=1, device_id=1)

    assert first.registers == after.registers == [3]


async def test_heidelberg_lock_shows_state_f_and_its_watchdog_counts_milliseconds(
    simulate: Callable,
) -> None:
    """259 = 0 is F; 257 and 262 say after how many ms of silence how many tenths of A hold."""
    sim = await simulate(pile("heidelberg-energy-control"))
    face = sim.simulator._modbus["A-01"]
    charge(sim)
    later = Later(sim)
    face.write(6, 257, [4_000])
    face.write(6, 262, [80])
    face.wire_fault()
    later.pass_s(3)
    before_kw = power_kw(sim)
    later.pass_s(2)
    after_kw = power_kw(sim)
    face.wire_fault()
    later.pass_s(0)
    face.write(6, 259, [0])

    assert (before_kw, after_kw) == (22.08, pytest.approx(5.52))
    sim.simulator.fleet.reset("A-01")
    face.write(6, 259, [0])
    assert face.read(4, 5, 1) == [10]
    face.write(6, 259, [1])
    assert face.read(4, 5, 1) == [3]


async def test_mennekes_compact_wants_its_heartbeat_word_and_both_orders(
    simulate: Callable,
) -> None:
    """0x55AA counts and any other word does not; released without a limit it stays in state 6."""
    sim = await simulate(pile("mennekes-amtron-compact-20s"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        wrong = await client.write_register(0x0D00, 0x55AB, device_id=50)
        await client.write_register(0x0D00, 0x55AA, device_id=50)
        later.pass_s(11)
        silent_kw = power_kw(sim)
        await client.write_register(0x0D00, 0x55AA, device_id=50)
        later.pass_s(1)
        states = []
        for address, words in ((0x0D05, [0]), (0x0D05, [1]), (0x0302, floats(10.0))):
            await client.write_registers(address, words, device_id=50)
            states.append((await client.read_holding_registers(0x0100, device_id=50)).registers[0])

    assert code(wrong) == 3
    assert silent_kw == pytest.approx(4.14)
    assert (states, power_kw(sim)) == ([6, 6, 5], pytest.approx(6.9))


async def test_delta_cannot_be_read_where_it_is_written_and_falls_back_when_told(
    simulate: Callable,
) -> None:
    """Orders are write-only, with function 16 alone; time-out and power are orders too."""
    sim = await simulate(pile("delta-ac-max"))
    charge(sim)
    later = Later(sim)
    async with master(sim) as client:
        single = await client.write_register(1602, 1, device_id=1)
        back = await client.read_holding_registers(1600, count=2, device_id=1)
        await client.write_registers(201, [1, 30], device_id=1)
        await client.write_registers(203, [0, 5_000], device_id=1)
        later.pass_s(31)
        silent_kw = power_kw(sim)
        await client.write_registers(1600, [0, 11_040], device_id=1)
        later.pass_s(1)

    assert (code(single), code(back)) == (1, 1)
    assert (silent_kw, power_kw(sim)) == (pytest.approx(5.0), pytest.approx(11.04))


async def test_weidmueller_time_out_is_high_word_first_unlike_the_rest(simulate: Callable) -> None:
    """230 V are 230000 with the low word first; 90000 ms are written with the high word first."""
    sim = await simulate(pile("weidmueller-ac-smart"))
    async with master(sim) as client:
        volts = await client.read_holding_registers(400, count=2, device_id=255)
        await client.write_registers(11050, [1, 24_464], device_id=255)
        timeout = await client.read_holding_registers(11050, count=2, device_id=255)

    assert volts.registers == [230_000 & 0xFFFF, 230_000 >> 16]
    assert timeout.registers == [1, 24_464]
    assert sim.simulator._modbus["A-01"].device().kept["timeout_ms"] == 90_000


async def test_compleo_time_is_a_holding_register_with_all_bytes_turned(
    simulate: Callable,
) -> None:
    """58 s of charging are 0x3A00 0x0000 there, and no input register."""
    sim = await simulate(pile("compleo"))
    charge(sim)
    async with master(sim) as client:
        held = await client.read_holding_registers(0x0106, count=2, device_id=255)
        absent = await client.read_input_registers(0x0106, count=2, device_id=255)

    assert (held.registers, code(absent)) == ([0x3A00, 0], 2)


async def test_siemens_has_no_power_on_a_phase_that_is_not_there(simulate: Callable) -> None:
    """A pile of one phase says 0xFFFF for the others, and its power does not turn negative."""
    sim = await simulate(
        pile("siemens-versicharge-gen3", 'supply = "ac1"\n').replace("22.08", "7.36")
    )
    charge(sim)
    async with master(sim) as client:
        power = await client.read_holding_registers(1662, count=3, device_id=2)
        await client.write_register(1633, 10, device_id=2)

    assert power.registers == [7_360, 0xFFFF, 0xFFFF]
    assert power_kw(sim) == pytest.approx(2.3)


async def test_charx_shows_the_same_in_both_tables(simulate: Callable) -> None:
    """Functions 3 and 4 read one map; the letter stands in the high byte."""
    sim = await simulate(pile("phoenix-charx-sec", "connectors = 2\n"))
    charge(sim, 2)
    async with master(sim) as client:
        held = await client.read_holding_registers(2299, count=3, device_id=1)
        shown = await client.read_input_registers(2299, count=3, device_id=1)

    assert held.registers == shown.registers == [0x4332, 1, 32]


async def test_power_loss_silences_a_device_and_empties_its_settings(simulate: Callable) -> None:
    """Dark it answers nobody; started again it has what it came with."""
    sim = await simulate(pile("webasto-next"))
    async with master(sim) as client:
        await client.write_registers(2002, [20], device_id=255)
        sim.simulator.fleet.change("A-01*1", lose_power)
        client.comm_params.timeout_connect = 0.2
        with pytest.raises(ModbusException):
            await client.read_holding_registers(2002, count=1, device_id=255)
        sim.simulator.fleet.change("A-01*1", restore_power)
        sim.simulator.fleet.advance(60)
    async with master(sim) as client:
        timeout = await client.read_holding_registers(2002, count=1, device_id=255)

    assert timeout.registers == [60]
