"""Debian's mbpoll, a master that is not ours, reads and writes every register map."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from serial_pair import need, serial_pair

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in
from firmware_sim.core.evse import Car, Evse
from firmware_sim.faces.registers.map import INPUT
from firmware_sim.faces.registers.models import REGISTER_MAPS

STEPPED = '[sim]\nmode = "stepped"\n'
# mbpoll's numbers for the tables: 3 input, 4 holding registers.
TYPES = {3: "4", 4: "3"}
# A Heidelberg does not answer who asks twice within 100 ms.
REQUEST_GAP_S = 0.11


@dataclass(frozen=True)
class Poll:
    """What is asked: state registers to read (function, first, count), a limit to write."""

    unit: int
    read: tuple[int, int, int]
    limit: tuple[int, list[int]]


POLLS = {
    "abb-terra-ac": Poll(1, (3, 0x4008, 24), (0x4100, [0, 10_000])),
    "alfen-ng9xx": Poll(1, (3, 306, 6), (1210, [0x4120, 0])),
    "alpitronic-hypercharger": Poll(1, (4, 100, 38), (100, [0, 50_000])),
    "bender-cc613": Poll(9, (3, 206, 22), (1000, [10])),
    "compleo": Poll(255, (4, 0x0101, 5), (0x0100, [69])),
    "delta-ac-max": Poll(1, (4, 1003, 8), (1600, [0, 6_900])),
    "evse-din": Poll(1, (3, 1000, 7), (1000, [10])),
    "heidelberg-energy-control": Poll(1, (4, 4, 15), (261, [100])),
    "keba-p30": Poll(255, (3, 1000, 2), (5004, [10_000])),
    "keba-p40": Poll(255, (3, 1020, 2), (5004, [10_000])),
    "mennekes-amtron-compact-20s": Poll(50, (3, 0x0500, 12), (0x0302, [0x4120, 0])),
    "mennekes-amtron-hcc3": Poll(255, (4, 0x030B, 17), (0x0400, [10])),
    "phoenix-charx-sec": Poll(1, (4, 1232, 14), (1301, [10])),
    "phoenix-em-cp-pp-eth": Poll(180, (4, 108, 14), (300, [10])),
    "phoenix-ev-cc": Poll(1, (4, 24000, 6), (22000, [10])),
    "phoenix-ev-cc-eth": Poll(255, (4, 108, 14), (528, [10])),
    "schneider-evlink-pro-ac": Poll(255, (3, 2999, 34), (4004, [10])),
    "siemens-versicharge-gen3": Poll(2, (3, 1651, 3), (1633, [10])),
    "webasto-next": Poll(255, (3, 1000, 3), (5004, [10])),
    "webasto-unite": Poll(255, (4, 1014, 1), (5004, [10])),
    "weidmueller-ac-smart": Poll(255, (3, 400, 12), (702, [10])),
}


def pile(model: str, more: str = "") -> str:
    power_kw = 150 if model == "alpitronic-hypercharger" else 22.08
    return (
        f'{STEPPED}[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "{model}"\n'
        f"max_power_kw = {power_kw}\n{more}"
    )


async def mbpoll(*arguments: str) -> str:
    """What mbpoll prints; fails the test where it does."""
    process = await asyncio.create_subprocess_exec(
        need("mbpoll"), *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def read_and_write(
    model: str, sim: object, unit: int, options: list[str], target: str
) -> None:
    """The state registers of a charging pile come as it has them, and a written limit holds."""
    fleet, face = sim.simulator.fleet, sim.simulator._modbus["A-01"]  # type: ignore[attr-defined]
    fleet.change("A-01*1", charging)
    function, first, count = POLLS[model].read
    wanted = face.read(function, first, count)
    common = ["-0", "-1", f"-a{unit}", *options]

    said = await mbpoll(*common, f"-t{TYPES[function]}:hex", f"-r{first}", f"-c{count}", target)
    await asyncio.sleep(REQUEST_GAP_S)
    address, words = POLLS[model].limit
    written = await mbpoll(*common, "-t4", f"-r{address}", target, *map(str, words))

    assert any(wanted), "a read of zeros alone shows nothing"
    found = re.findall(r"^\[(\d+)\]: *\t0x([0-9A-F]{4})$", said, re.MULTILINE)
    assert [int(at) for at, _ in found] == list(range(first, first + count))
    assert [int(word, 16) for _, word in found] == wanted
    assert "Written" in written
    limit_kw = fleet.evse("A-01*1").limit_kw
    assert limit_kw == pytest.approx(50.0 if model == "alpitronic-hypercharger" else 6.9)


def charging(evse: Evse) -> Evse:
    return advance(plug_in(evse, Car(Battery(60.0, 30.0, 120.0), 80.0), ""), 600)


@pytest.mark.slow
@pytest.mark.parametrize("model", REGISTER_MAPS)
async def test_mbpoll_reads_and_limits_every_model_over_tcp(simulate: Callable, model: str) -> None:
    """State registers come as the pile has them; a written limit holds."""
    need("mbpoll")
    sim = await simulate(pile(model))
    host, port = sim.address("A-01")

    await read_and_write(model, sim, POLLS[model].unit, [f"-p{port}"], host)


@pytest.mark.slow
@pytest.mark.parametrize("model", REGISTER_MAPS)
async def test_mbpoll_reads_and_limits_every_model_over_a_serial_line(
    simulate: Callable, tmp_path: Path, model: str
) -> None:
    """The same over RTU, as unit 17 of a line."""
    need("mbpoll")
    async with serial_pair(tmp_path) as pair:
        line = f'transport = "rtu"\nserial_line = "{pair.device}"\nunit_id = 17\n'
        sim = await simulate(pile(model, line))

        await read_and_write(
            model, sim, 17, ["-m", "rtu", "-b19200", "-P", "none"], str(pair.master)
        )


async def test_mbpoll_switches_a_coil(simulate: Callable) -> None:
    """Availability of a Phoenix controller is coil 20001, which mbpoll reads and writes."""
    need("mbpoll")
    sim = await simulate(pile("phoenix-ev-cc"))
    host, port = sim.address("A-01")
    common = ["-0", "-1", "-a1", "-t0", "-r20001", f"-p{port}", host]

    before = await mbpoll(*common)
    await mbpoll(*common, "0")
    after = await mbpoll(*common)

    assert "[20001]: \t1" in before
    assert "[20001]: \t0" in after
    assert not sim.simulator.fleet.evse("A-01*1").is_operative


async def test_mbpoll_tells_what_a_device_refuses(simulate: Callable) -> None:
    """A hole, a value that is not taken and a locked register each fail with their reason."""
    need("mbpoll")
    locked = "[pile.registers]\nlocked = [[262, 262]]\n"
    sim = await simulate(pile("heidelberg-energy-control", locked))
    host, port = sim.address("A-01")
    common = ["-0", "-1", "-a1", "-t4", f"-p{port}"]

    said = []
    for arguments in (["-r300", host], ["-r261", host, "30"], ["-r262", host, "60"]):
        process = await asyncio.create_subprocess_exec(
            need("mbpoll"), *common, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        said.append(output.decode())
        await asyncio.sleep(REQUEST_GAP_S)

    for text, reason in zip(
        said, ("Illegal data address", "Illegal data value", "Slave device"), strict=True
    ):
        assert reason in text


def test_every_map_is_polled() -> None:
    """No model is shown that the foreign master has not read and written."""
    assert set(POLLS) == set(REGISTER_MAPS)
    assert INPUT in {poll.read[0] for poll in POLLS.values()}
