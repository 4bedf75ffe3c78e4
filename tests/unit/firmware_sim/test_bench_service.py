"""BenchService over gRPC, as a bench engineer calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import types_pb2

SIM = """
[sim]
mode = "stepped"
seed = 7
[clock]
epoch_at_ms = 1700000000000
anchor_s = 0.0
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "abb-terra-ac"
max_power_kw = 11.04
[[pile]]
pile_id = "D-01"
face = "modbus"
model = "alpitronic-hypercharger"
max_power_kw = 150
connectors = 2
"""


async def refused(call: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_car_charges_from_plug_in_to_unplug(simulate: Callable) -> None:
    """The states of a whole session, in stepped time."""
    sim = await simulate(SIM)

    plugged = await sim.bench.PlugIn(
        pb.PlugInRequest(evse_id="A-01*1", battery_kwh=60, soc_pct=50, target_soc_pct=60)
    )
    moved = await sim.bench.Advance(pb.AdvanceRequest(duration_s=7200))
    full = (await sim.bench.GetState(pb.GetStateRequest(evse_id="A-01*1"))).state
    gone = (await sim.bench.Unplug(pb.UnplugRequest(evse_id="A-01*1"))).state

    assert plugged.state.iec61851_state == types_pb2.IEC61851_STATE_B
    assert moved.domain_at_ms == 1700000000000 + 7_200_000
    assert (full.done, full.soc_pct, full.bay_occupied) == (True, 60.0, True)
    assert full.energy_kwh == pytest.approx(6 / 0.9)
    assert full.ocpp_status == types_pb2.OCPP_STATUS_SUSPENDED_EV
    assert (gone.HasField("soc_pct"), gone.bay_occupied) == (False, False)
    assert gone.energy_kwh == full.energy_kwh


async def test_fault_with_a_duration_is_shown_and_goes(simulate: Callable) -> None:
    """A fault stands in the state until its domain time is over."""
    sim = await simulate(SIM)

    broken = await sim.bench.InjectFault(
        pb.InjectFaultRequest(evse_id="D-01*1", fault="HighTemperature", duration_s=60)
    )
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=61))
    mended = (await sim.bench.GetState(pb.GetStateRequest(evse_id="D-01*1"))).state

    assert list(broken.state.faults) == ["HighTemperature"]
    assert broken.state.ocpp_status == types_pb2.OCPP_STATUS_FAULTED
    assert (list(mended.faults), mended.ocpp_status) == ([], types_pb2.OCPP_STATUS_AVAILABLE)


async def test_wire_fault_is_of_the_whole_pile(simulate: Callable) -> None:
    """Both EVSEs of a pile show its wire fault; clearing all mends it."""
    sim = await simulate(SIM)
    await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="D-01*1", fault="wire:silent"))

    other = (await sim.bench.GetState(pb.GetStateRequest(evse_id="D-01*2"))).state
    cleared = (await sim.bench.ClearFault(pb.ClearFaultRequest(evse_id="D-01*2"))).state

    assert list(other.faults) == ["wire:silent"]
    assert list(cleared.faults) == []


async def test_bay_and_queue_are_set(simulate: Callable) -> None:
    """Something parked makes the bay occupied while the EVSE stays available."""
    sim = await simulate(SIM)

    state = (
        await sim.bench.SetBay(pb.SetBayRequest(evse_id="A-01*1", occupied=True, queue_length=2))
    ).state

    assert (state.bay_occupied, state.ocpp_status) == (True, types_pb2.OCPP_STATUS_AVAILABLE)
    assert sim.simulator.fleet.evse("A-01*1").queue_length == 2


async def test_register_view_names_values_and_units(simulate: Callable) -> None:
    """A view of two registers tells the field behind them."""
    sim = await simulate(SIM)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=20))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=5))

    view = await sim.bench.ReadRegisters(
        pb.ReadRegistersRequest(pile_id="A-01", address=0x4016, count=2)
    )
    whole = await sim.bench.ReadRegisters(pb.ReadRegistersRequest(pile_id="D-01"))

    assert [(r.address, r.word, r.name, r.unit) for r in view.registers] == [
        (0x4016, 0, "voltage_l1", "V"),
        (0x4017, 2300, "voltage_l1", "V"),
    ]
    assert view.registers[0].value == pytest.approx(230.0)
    keys = [(r.function_code, r.address) for r in whole.registers]
    assert keys == sorted(set(keys))
    assert {3, 4} == {function for function, _ in keys}


async def test_written_registers_act_like_a_masters(simulate: Callable) -> None:
    """A limit written through the bench is a limit."""
    sim = await simulate(SIM)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="D-01*1", soc_pct=20))
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=25))

    await sim.bench.WriteRegisters(
        pb.WriteRegistersRequest(pile_id="D-01", address=100, words=[0, 40_000])
    )

    state = (await sim.bench.GetState(pb.GetStateRequest(evse_id="D-01*1"))).state
    assert state.power_kw == 40.0


async def test_watch_tells_first_what_is_and_then_what_changes(simulate: Callable) -> None:
    """A watcher of one EVSE gets its state, then each change, and nothing of others."""
    sim = await simulate(SIM)
    watch = sim.bench.Watch(pb.BenchServiceWatchRequest(evse_ids=["D-01*1"]))

    async with asyncio.timeout(60):
        first = (await watch.read()).state
        await sim.bench.PlugIn(pb.PlugInRequest(evse_id="D-01*2", soc_pct=20))
        await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="D-01*1", fault="GroundFailure"))
        second = (await watch.read()).state
        await sim.bench.InjectFault(pb.InjectFaultRequest(evse_id="D-01*2", fault="wire:silent"))
        third = (await watch.read()).state
    watch.cancel()

    assert (first.evse_id, list(first.faults)) == ("D-01*1", [])
    assert (second.evse_id, list(second.faults)) == ("D-01*1", ["GroundFailure"])
    assert (third.evse_id, list(third.faults)) == ("D-01*1", ["GroundFailure", "wire:silent"])


async def test_list_and_reset(simulate: Callable) -> None:
    """All piles are listed with their addresses; reset empties one or all."""
    sim = await simulate(SIM)
    for evse_id in ("A-01*1", "D-01*1"):
        await sim.bench.PlugIn(pb.PlugInRequest(evse_id=evse_id, soc_pct=20))

    await sim.bench.Reset(pb.ResetRequest(pile_id="A-01"))
    listed = await sim.bench.ListPiles(pb.BenchServiceListPilesRequest())
    await sim.bench.Reset(pb.ResetRequest())
    after = (await sim.bench.GetState(pb.GetStateRequest(evse_id="D-01*1"))).state

    assert [(p.pile_id, p.face, p.address) for p in listed.piles] == [
        (p["pile_id"], p["face"], p["address"]) for p in sim.ready["piles"]
    ]
    assert [e.bay_occupied for p in listed.piles for e in p.evses] == [False, True, False]
    assert not after.bay_occupied


@pytest.mark.parametrize(
    ("method", "request_of", "field"),
    [
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", soc_pct=101), "soc_pct"),
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", soc_pct=float("nan")), "soc_pct"),
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", battery_kwh=-1), "battery_kwh"),
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", target_soc_pct=-1), "target_soc_pct"),
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", max_power_kw=float("inf")), "max_power_kw"),
        ("PlugIn", pb.PlugInRequest(evse_id="A-01*1", id_token="T" * 21), "id_token"),
        ("InjectFault", pb.InjectFaultRequest(evse_id="A-01*1", fault="Hiccup"), "fault"),
        ("InjectFault", pb.InjectFaultRequest(evse_id="A-01*1", fault="wire:junk"), "fault"),
        (
            "InjectFault",
            pb.InjectFaultRequest(evse_id="A-01*1", fault="PilotFault", duration_s=-1),
            "duration_s",
        ),
        ("ClearFault", pb.ClearFaultRequest(evse_id="A-01*1", fault="Hiccup"), "fault"),
        ("Advance", pb.AdvanceRequest(duration_s=-0.1), "duration_s"),
        ("ReadRegisters", pb.ReadRegistersRequest(pile_id="A-01", address=1, count=2), "address"),
        (
            "ReadRegisters",
            pb.ReadRegistersRequest(pile_id="A-01", function_code=7),
            "function_code",
        ),
        ("WriteRegisters", pb.WriteRegistersRequest(pile_id="A-01", address=0x4100), "words"),
        (
            "WriteRegisters",
            pb.WriteRegistersRequest(pile_id="A-01", address=0x4100, words=[0, 70_000]),
            "words",
        ),
        (
            "WriteRegisters",
            pb.WriteRegistersRequest(pile_id="A-01", address=0x400E, words=[0, 1]),
            "address",
        ),
    ],
)  # fmt: skip
async def test_bad_field_is_named(
    simulate: Callable, method: str, request_of: object, field: str
) -> None:
    """INVALID_ARGUMENT carries the field in its text and in its BadRequest detail."""
    sim = await simulate(SIM)

    error = await refused(getattr(sim.bench, method)(request_of))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"{field}:")
    # By way of a list: in older grpcio the keys of metadata are pairs.
    metadata = dict(list(error.trailing_metadata()))
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert [violation.field for violation in detail.field_violations] == [field]


async def test_unknown_names_and_wrong_moments(simulate: Callable) -> None:
    """Unknown EVSEs and piles are NOT_FOUND; a second car is FAILED_PRECONDITION."""
    sim = await simulate(SIM)
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=20))

    no_evse = await refused(sim.bench.GetState(pb.GetStateRequest(evse_id="X*1")))
    no_pile = await refused(sim.bench.ReadRegisters(pb.ReadRegistersRequest(pile_id="X")))
    watched = await refused(sim.bench.Watch(pb.BenchServiceWatchRequest(evse_ids=["X"])).read())
    twice = await refused(sim.bench.PlugIn(pb.PlugInRequest(evse_id="A-01*1", soc_pct=20)))

    assert no_evse.code() is grpc.StatusCode.NOT_FOUND
    assert no_pile.code() is grpc.StatusCode.NOT_FOUND
    assert watched.code() is grpc.StatusCode.NOT_FOUND
    assert twice.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_advance_needs_stepped_time(simulate: Callable) -> None:
    """Where the clock runs by itself it cannot be moved by hand."""
    sim = await simulate(SIM.replace("stepped", "live"))

    error = await refused(sim.bench.Advance(pb.AdvanceRequest(duration_s=1)))

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_bytes_that_are_no_message_are_an_invalid_argument(simulate: Callable) -> None:
    """Malformed protobuf is the caller's fault and says so."""
    sim = await simulate(SIM)
    call = sim.channel.unary_unary("/pilewise.v1.BenchService/PlugIn")

    error = await refused(call(b"\xff\xff\xff"))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_and_reflection_are_on(simulate: Callable) -> None:
    """Tools can ask whether the bench serves and what it offers."""
    sim = await simulate(SIM)
    health = health_pb2_grpc.HealthStub(sim.channel)
    mirror = reflection_pb2_grpc.ServerReflectionStub(sim.channel).ServerReflectionInfo()

    answer = await health.Check(health_pb2.HealthCheckRequest(service="pilewise.v1.BenchService"))
    await mirror.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await mirror.read()
    await mirror.done_writing()

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    names = [service.name for service in listed.list_services_response.service]
    assert "pilewise.v1.BenchService" in names


async def test_live_clock_charges_at_its_speed(simulate: Callable, eventually: Callable) -> None:
    """With a fast clock an hour of charging passes in a moment."""
    fast = SIM.replace('mode = "stepped"', "tick_s = 0.02").replace(
        "anchor_s = 0.0", "anchor_s = 0.0\nspeed = 20000.0"
    )
    sim = await simulate(fast)

    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="D-01*1", soc_pct=30, target_soc_pct=50))

    await eventually(lambda: sim.simulator.fleet.evse("D-01*1").car.is_done)
