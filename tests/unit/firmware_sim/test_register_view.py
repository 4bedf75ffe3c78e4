"""The register view: who wrote what, when it changed, how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pymodbus.client import AsyncModbusTcpClient

from firmware_sim.core.battery import Battery
from firmware_sim.core.controller import plug_in, set_limit
from firmware_sim.core.evse import Car, Evse
from firmware_sim.faces.modbus import ModbusFace
from firmware_sim.faces.registers.history import Row
from pilewise.v1 import bench_service_pb2 as pb

BENDER = (
    '[sim]\nmode = "stepped"\n[[pile]]\npile_id = "A-01"\nface = "modbus"\n'
    'model = "bender-cc613"\nmax_power_kw = 11.04\n'
)
LIMIT, STATUS, POWER = 1000, 104, 221


def plugged(evse: Evse) -> Evse:
    return plug_in(evse, Car(Battery(60, 30, 90), 80), "")


def shown(face: ModbusFace, address: int) -> Row:
    return next(row for row in face.rows() if row.address == address)


async def master(address: tuple[str, int]) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient(address[0], port=address[1], timeout=2)
    assert await client.connect()
    return client


async def test_view_says_which_client_wrote_a_register(simulate: Callable) -> None:
    """Of two masters the last one that wrote is named, with the age of its write."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]
    nobody = shown(face, LIMIT)
    clients = [await master(sim.address("A-01")) for _ in range(2)]
    for client, amps in zip(clients, (8, 10), strict=True):
        assert not (await client.write_register(LIMIT, amps, device_id=1)).isError()
    ports = [client.ctx.transport.get_extra_info("sockname")[1] for client in clients]
    for client in clients:
        client.close()
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=4))

    written = shown(face, LIMIT)

    assert nobody.writer == ""
    assert written.writer == f"127.0.0.1:{ports[1]}"
    assert (written.word, written.value, written.unit, written.age_s) == (10, 10, "A", 4.0)


async def test_view_says_when_a_register_changed(simulate: Callable) -> None:
    """Power changes with the car, at the moment of domain time at which it did; the rest is old."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]
    before = shown(face, POWER)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=7))
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=30))
    plugged_ms = sim.simulator.clock.now_ms()
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=3))

    status, model = shown(face, STATUS), shown(face, 142)

    assert before.changed_at_ms == 0
    assert status.changed_at_ms >= plugged_ms
    assert shown(face, POWER).word == 11_040
    assert (model.changed_at_ms, model.age_s) == (0, 10.0)


async def test_reset_forgets_settings_and_writers(simulate: Callable) -> None:
    """In its factory state a pile has the time-out it came with, and nobody wrote anything."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]
    face.write(16, 132, [5], "here")
    face.write(16, LIMIT, [8], "here")

    await sim.bench.Reset(pb.ResetRequest(pile_id="A-01"))

    assert (shown(face, 132).word, shown(face, LIMIT).word) == (60, 16)
    assert {row.writer for row in face.rows()} == {""}


async def test_register_that_the_device_changes_after_a_write_is_its_own(
    simulate: Callable,
) -> None:
    """What a master wrote and the device moved since has the pile as writer."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]
    face.rows()
    face.write(16, LIMIT, [8], "here")
    assert shown(face, LIMIT).writer == "here"

    face.write(16, 124, [1], "there")
    sim.simulator.fleet.change(
        "A-01*1", lambda evse: plug_in(evse, Car(Battery(60, 30, 90), 80), "")
    )
    sim.simulator.fleet.change("A-01*1", lambda evse: set_limit(evse, None))

    assert shown(face, LIMIT).word == 16
    assert shown(face, LIMIT).writer == "pile"
    assert shown(face, 124).writer == "there"


async def test_write_only_register_shows_what_was_written(simulate: Callable) -> None:
    """A register that no master can read is in the view with the words that were put there."""
    sim = await simulate(BENDER.replace("bender-cc613", "abb-terra-ac"))
    face = sim.simulator._modbus["A-01"]
    before = shown(face, 0x4100)
    face.write(16, 0x4100, [0, 9_000], "here")

    after = [row for row in face.rows() if row.name == "set_current_limit"]

    assert (before.readable, before.value) == (False, None)
    assert [row.word for row in after] == [0, 9_000]
    assert (after[0].value, after[0].unit, after[0].writer) == (9.0, "A", "here")


async def test_refused_write_has_no_writer(simulate: Callable) -> None:
    """Who was refused has written nothing."""
    sim = await simulate(BENDER)
    client = await master(sim.address("A-01"))
    answer = await client.write_register(LIMIT, 99, device_id=1)
    client.close()

    assert answer.exception_code == 3
    assert shown(sim.simulator._modbus["A-01"], LIMIT).writer == ""


async def test_pile_that_nobody_looks_at_remembers_writers_only(simulate: Callable) -> None:
    """Without a view no register is computed when the pile changes."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]

    sim.simulator.fleet.change(
        "A-01*1", lambda evse: plug_in(evse, Car(Battery(60, 30, 90), 80), "")
    )
    await asyncio.sleep(0)

    assert not face._history.is_watched
    assert face._history._traces == {}


async def test_late_look_knows_who_wrote_before(simulate: Callable) -> None:
    """A client that wrote before anybody looked is named; the first look is no change."""
    sim = await simulate(BENDER)
    face = sim.simulator._modbus["A-01"]
    face.write(16, LIMIT, [8], "here")

    assert (shown(face, LIMIT).writer, shown(face, LIMIT).changed_at_ms) == ("here", 0)
