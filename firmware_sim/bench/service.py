"""BenchService: every request acts on the fleet, every answer is the state after it."""

# ruff: noqa: N802 - the contract gives the methods their names
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import structlog

from firmware_sim.bench.catalogue import (
    catalogue_message,
    fault_of,
)
from firmware_sim.bench.codec import (
    car_of,
    duration_of,
    look_of,
    ramp_of,
    state_message,
    stride_of,
)
from firmware_sim.bench.playing import played
from firmware_sim.bench.ramps import Ramps
from firmware_sim.bench.registers import RegisterView, register_messages, words_of
from firmware_sim.bench.stride import stride
from firmware_sim.bench.talking import clear_talking, inject_talking
from firmware_sim.bench.watch import Watchers, looks_different
from firmware_sim.clock import Clock, LiveClock, SteppedClock
from firmware_sim.core.controller import (
    clear,
    inject,
    park,
    plug_in,
    press_emergency_stop,
    release_emergency_stop,
    set_input,
    unplug,
)
from firmware_sim.core.evse import Evse
from firmware_sim.core.memory import lose_power, restore_power
from firmware_sim.errors import NotPossibleNowError, UnknownNameError
from firmware_sim.fleet import Fleet
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc

_log = structlog.get_logger(__name__)
# How often ramped inputs follow a running clock, real seconds.
_FOLLOW_S = 0.05
Context = grpc.aio.ServicerContext[Any, Any]


class Bench(bench_service_pb2_grpc.BenchServiceServicer):
    """The servicer.

    `faces` says how each pile is shown and where; `registers` gives the Modbus piles.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        faces: Mapping[str, tuple[str, str]],
        registers: Mapping[str, RegisterView],
        *,
        seed: int = 0,
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._faces = faces
        self._registers = registers
        self._seed = seed
        self.watchers = Watchers(fleet, self._state)
        self._ramps = Ramps(fleet)
        self._following: asyncio.Task[None] | None = None

    async def PlugIn(self, request: pb.PlugInRequest, context: Context) -> pb.PlugInResponse:
        """Connects a car."""
        car = car_of(request, self._fleet.evse(request.evse_id).spec)
        state = self._act(request.evse_id, lambda e: plug_in(e, car, request.id_token))
        _log.info("plugged in", evse=request.evse_id, soc_pct=round(car.battery.soc_pct))
        return pb.PlugInResponse(state=state)

    async def Unplug(self, request: pb.UnplugRequest, context: Context) -> pb.UnplugResponse:
        """Takes the cable out."""
        state = self._act(request.evse_id, unplug)
        _log.info("unplugged", evse=request.evse_id)
        return pb.UnplugResponse(state=state)

    async def InjectFault(
        self, request: pb.InjectFaultRequest, context: Context
    ) -> pb.InjectFaultResponse:
        """Breaks something: a part by its MREC name, or how the pile and its sensors talk."""
        pile_id = self._fleet.pile_id_of(request.evse_id)
        duration_s = duration_of(request.duration_s)
        face = self._faces[pile_id][0]
        if not inject_talking(self._fleet, pile_id, request.fault, duration_s, face):
            kind = fault_of(request.fault)
            self._fleet.change(request.evse_id, lambda e: inject(e, kind, duration_s))
        _log.info("fault injected", evse=request.evse_id, fault=request.fault)
        return pb.InjectFaultResponse(state=self._state(request.evse_id))

    async def ClearFault(
        self, request: pb.ClearFaultRequest, context: Context
    ) -> pb.ClearFaultResponse:
        """Mends one fault, or all of the EVSE and the wire of its pile."""
        pile_id = self._fleet.pile_id_of(request.evse_id)
        if not clear_talking(self._fleet, pile_id, request.fault, self._faces[pile_id][0]):
            kind = fault_of(request.fault) if request.fault else None
            self._fleet.change(request.evse_id, lambda e: clear(e, kind))
        _log.info("fault cleared", evse=request.evse_id, fault=request.fault or "all")
        return pb.ClearFaultResponse(state=self._state(request.evse_id))

    async def Advance(self, request: pb.AdvanceRequest, context: Context) -> pb.AdvanceResponse:
        """Moves simulated time on; only where the clock does not run by itself."""
        if not isinstance(self._clock, SteppedClock):
            raise NotPossibleNowError("Advance", 'the clock runs; set sim.mode = "stepped"')
        before = {evse_id: self._state(evse_id) for evse_id in request.until_evse_ids}
        passed_s = stride(
            self._fleet,
            self._clock,
            self._ramps,
            stride_of(request.duration_s),
            look_every_s=look_of(request.look_every_s),
            is_over=(lambda: self._any_differs(before)) if before else None,
        )
        return pb.AdvanceResponse(domain_at_ms=self._clock.now_ms(), passed_s=passed_s)

    async def ReadRegisters(
        self, request: pb.ReadRegistersRequest, context: Context
    ) -> pb.ReadRegistersResponse:
        """The register view of a Modbus pile."""
        view = self._view(request.pile_id)
        return pb.ReadRegistersResponse(registers=register_messages(view, request))

    async def WriteRegisters(
        self, request: pb.WriteRegistersRequest, context: Context
    ) -> pb.WriteRegistersResponse:
        """Writes registers as a Modbus master would."""
        words_of(self._view(request.pile_id), request)
        return pb.WriteRegistersResponse()

    async def SetBay(self, request: pb.SetBayRequest, context: Context) -> pb.SetBayResponse:
        """Parks something in a bay, or clears it."""
        queue = request.queue_length if request.HasField("queue_length") else None
        state = self._act(request.evse_id, lambda e: park(e, request.occupied, queue))
        return pb.SetBayResponse(state=state)

    async def GetState(self, request: pb.GetStateRequest, context: Context) -> pb.GetStateResponse:
        """The state of one EVSE."""
        return pb.GetStateResponse(state=self._state(request.evse_id))

    async def ListPiles(
        self, request: pb.BenchServiceListPilesRequest, context: Context
    ) -> pb.BenchServiceListPilesResponse:
        """All simulated piles and how to reach them."""
        piles = [
            pb.SimulatedPile(
                pile_id=pile.spec.pile_id,
                face=self._faces[pile.spec.pile_id][0],
                address=self._faces[pile.spec.pile_id][1],
                model=pile.spec.model,
                evses=[state_message(evse, pile.wire, pile.talking) for evse in pile.evses],
            )
            for pile in self._fleet.piles
        ]
        return pb.BenchServiceListPilesResponse(piles=piles)

    async def Watch(
        self, request: pb.BenchServiceWatchRequest, context: Context
    ) -> AsyncIterator[pb.BenchServiceWatchResponse]:
        """The present state of every EVSE watched, then each state as it changes."""
        async for state in self.watchers.follow(request.evse_ids):
            yield pb.BenchServiceWatchResponse(state=state)

    async def Reset(self, request: pb.ResetRequest, context: Context) -> pb.ResetResponse:
        """Puts one pile, or all, back to the factory state."""
        pile_ids = (
            [request.pile_id]
            if request.pile_id
            else [pile.spec.pile_id for pile in self._fleet.piles]
        )
        for pile_id in pile_ids:
            self._fleet.reset(pile_id)
            self._ramps.forget(pile_id)
        _log.info("reset", piles=len(pile_ids))
        return pb.ResetResponse()

    async def ListFaults(
        self, request: pb.ListFaultsRequest, context: Context
    ) -> pb.ListFaultsResponse:
        """What can be broken, by name."""
        return catalogue_message()

    async def GetClock(self, request: pb.GetClockRequest, context: Context) -> pb.GetClockResponse:
        """Where the clock stands and how it runs."""
        return pb.GetClockResponse(
            domain_at_ms=self._clock.now_ms(),
            stepped=isinstance(self._clock, SteppedClock),
            speed=self._clock.speed if isinstance(self._clock, LiveClock) else 0.0,
            seed=self._seed,
        )

    async def SetInput(self, request: pb.SetInputRequest, context: Context) -> pb.SetInputResponse:
        """Sets an input, or begins to ramp it."""
        evse_id, name = request.evse_id, request.input
        over_s = ramp_of(request.over_s)
        value = request.value if request.HasField("value") else None
        if over_s:
            self._ramps.begin(evse_id, name, value, over_s, self._clock.now_ms())
            self._follow_ramps()
        else:
            self._fleet.change(evse_id, lambda e: set_input(e, name, value))
            self._ramps.stop(evse_id, name)
        _log.info("input", evse=evse_id, input=name, value=value, over_s=over_s)
        return pb.SetInputResponse(state=self._state(evse_id))

    async def SetEmergencyStop(
        self, request: pb.SetEmergencyStopRequest, context: Context
    ) -> pb.SetEmergencyStopResponse:
        """Presses or releases the emergency stop of a pile."""
        act = press_emergency_stop if request.pressed else release_emergency_stop
        states = self._act_on_all(request.pile_id, act)
        _log.info("emergency stop", pile=request.pile_id, pressed=request.pressed)
        return pb.SetEmergencyStopResponse(states=states)

    async def SetPower(self, request: pb.SetPowerRequest, context: Context) -> pb.SetPowerResponse:
        """Cuts or restores the power of a pile."""
        states = self._act_on_all(request.pile_id, restore_power if request.on else lose_power)
        _log.info("power", pile=request.pile_id, on=request.on)
        return pb.SetPowerResponse(states=states)

    async def RunScenario(
        self, request: pb.RunScenarioRequest, context: Context
    ) -> pb.RunScenarioResponse:
        """Plays a scenario; the piles of this bench stay as they are."""
        return await asyncio.to_thread(played, request)

    def _any_differs(self, before: Mapping[str, pb.SimulatedState]) -> bool:
        return any(looks_different(old, self._state(evse_id)) for evse_id, old in before.items())

    def _act_on_all(
        self, pile_id: str, transition: Callable[[Evse], Evse]
    ) -> list[pb.SimulatedState]:
        evse_ids = [evse.spec.evse_id for evse in self._fleet.pile(pile_id).evses]
        return [self._act(evse_id, transition) for evse_id in evse_ids]

    def _follow_ramps(self) -> None:
        """Has the inputs follow a clock that runs by itself; a stepped one takes them along."""
        running = self._following is not None and not self._following.done()
        if isinstance(self._clock, LiveClock) and not running:
            self._following = asyncio.create_task(self._follow(), name="firmware_sim:ramps")

    async def _follow(self) -> None:
        while self._ramps.step_s is not None:
            await asyncio.sleep(_FOLLOW_S)
            self._ramps.follow(self._clock.now_ms())

    def _act(self, evse_id: str, transition: Callable[[Evse], Evse]) -> pb.SimulatedState:
        self._fleet.change(evse_id, transition)
        return self._state(evse_id)

    def _state(self, evse_id: str) -> pb.SimulatedState:
        pile = self._fleet.pile(self._fleet.pile_id_of(evse_id))
        return state_message(pile.evse(evse_id), pile.wire, pile.talking)

    def _view(self, pile_id: str) -> RegisterView:
        self._fleet.pile(pile_id)
        try:
            return self._registers[pile_id]
        except KeyError:
            raise UnknownNameError("Modbus pile", pile_id) from None
