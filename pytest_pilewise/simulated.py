"""A simulated pile: every request is a call to the simulator's BenchService."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import types_pb2
from pytest_pilewise.bench import Bench
from pytest_pilewise.clock import BenchClock
from pytest_pilewise.models import profile_of
from pytest_pilewise.pile import Pile
from pytest_pilewise.process import Room, toml
from pytest_pilewise.states import KnownFault, PileState, Plug, Register

# As the simulator decides what flows where a test does not say.
_MOST_AC_KW, _MOST_AC_1_KW = 43.5, 7.4
_WORDS = {
    "AVAILABLE": "Available",
    "PREPARING": "Preparing",
    "CHARGING": "Charging",
    "SUSPENDED_EVSE": "SuspendedEVSE",
    "SUSPENDED_EV": "SuspendedEV",
    "FINISHING": "Finishing",
    "RESERVED": "Reserved",
    "UNAVAILABLE": "Unavailable",
    "FAULTED": "Faulted",
    "OCCUPIED": "Occupied",
}


class SimulatedPile(Pile):
    """A pile made of software, in a process of its own."""

    def __init__(
        self,
        bench: Bench,
        room: Room,
        settings: dict[str, Any],
        clock: BenchClock,
        seed: int,
    ) -> None:
        super().__init__(settings["pile_id"], settings["model"], clock)
        self.bench = bench
        self.room = room
        self.settings = settings
        self.seed = seed
        self.face: str = settings["face"]
        self.address = str(room.ready["piles"][0]["address"])
        # What the keeper finds it by.
        self.key: Any = None
        self._logged = 0

    @property
    def plug(self) -> Plug:
        """What plugs it has."""
        power_kw, count = self.settings["max_power_kw"], self.settings["connectors"]
        supply = self.settings.get("supply", "auto")
        if supply == "dc" or (supply == "auto" and power_kw > _MOST_AC_KW):
            return Plug("IEC_62196_T2_COMBO", "DC", power_kw, count)
        single = supply == "ac1" or (supply == "auto" and power_kw <= _MOST_AC_1_KW)
        return Plug("IEC_62196_T2", "AC_1_PHASE" if single else "AC_3_PHASE", power_kw, count)

    def state_of(self, evse: int) -> PileState:
        """How a plug stands now."""
        answer = self.bench.ask("GetState", pb.GetStateRequest(evse_id=self.evse_id(evse)))
        return state_of(answer.state)

    def plug_in(
        self,
        *,
        soc_pct: float = 50.0,
        target_soc_pct: float = 80.0,
        battery_kwh: float = 60.0,
        max_power_kw: float = 0.0,
        id_token: str = "",
        wants_ventilation: bool = False,
        evse: int = 1,
    ) -> PileState:
        """Connects a car; the state after."""
        request = pb.PlugInRequest(
            evse_id=self.evse_id(evse),
            soc_pct=soc_pct,
            target_soc_pct=target_soc_pct,
            battery_kwh=battery_kwh,
            max_power_kw=max_power_kw,
            id_token=id_token,
            wants_ventilation=wants_ventilation,
        )
        return self._act("PlugIn", request, f"plug in {self.evse_id(evse)}, {soc_pct:g} %")

    def unplug(self, *, evse: int = 1) -> PileState:
        """Takes the cable out; the state after."""
        request = pb.UnplugRequest(evse_id=self.evse_id(evse))
        return self._act("Unplug", request, f"unplug {self.evse_id(evse)}")

    def inject(self, fault: str, *, duration_s: float = 0.0, evse: int = 1) -> PileState:
        """Breaks something; raises BenchRefused listing the names for one that is unknown."""
        request = pb.InjectFaultRequest(
            evse_id=self.evse_id(evse), fault=fault, duration_s=duration_s
        )
        return self._act("InjectFault", request, f"inject {fault} at {self.evse_id(evse)}")

    def clear(self, fault: str = "", *, evse: int = 1) -> PileState:
        """Mends one fault, or all; the state after."""
        request = pb.ClearFaultRequest(evse_id=self.evse_id(evse), fault=fault)
        return self._act("ClearFault", request, f"clear {fault or 'all'} at {self.evse_id(evse)}")

    def park(
        self, occupied: bool = True, *, queue_length: int | None = None, evse: int = 1
    ) -> None:
        """Puts something into the bay that does not plug in, or takes it away."""
        request = pb.SetBayRequest(
            evse_id=self.evse_id(evse), occupied=occupied, queue_length=queue_length
        )
        self._act("SetBay", request, f"bay {'occupied' if occupied else 'free'}")

    def set_input(
        self, name: str, value: float | None, *, over_s: float = 0.0, evse: int = 1
    ) -> PileState:
        """Sets or ramps an input; raises BenchRefused listing the names for an unknown one."""
        request = pb.SetInputRequest(
            evse_id=self.evse_id(evse), input=name, value=value, over_s=over_s
        )
        slowly = f" over {over_s:g} s" if over_s else ""
        told = "nominal" if value is None else f"{value:g}"
        return self._act("SetInput", request, f"{name} {told}{slowly} at {self.evse_id(evse)}")

    def press_emergency_stop(self, pressed: bool = True) -> PileState:
        """Presses the emergency stop of the pile, or releases it; the state of the first plug."""
        request = pb.SetEmergencyStopRequest(pile_id=self.pile_id, pressed=pressed)
        self.bench.ask("SetEmergencyStop", request)
        self.trace.did(f"emergency stop {'pressed' if pressed else 'released'}")
        return self.state

    def set_power(self, on: bool) -> PileState:
        """Cuts or restores the power of the pile; it then starts for some seconds."""
        self.bench.ask("SetPower", pb.SetPowerRequest(pile_id=self.pile_id, on=on))
        self.trace.did(f"power {'on' if on else 'off'}")
        return self.state

    def known_faults(self) -> Sequence[KnownFault]:
        """What can be injected."""
        answer = self.bench.ask("ListFaults", pb.ListFaultsRequest())
        return [KnownFault(f.name, f.code, f.ocpp_error, f.stops) for f in answer.faults]

    def registers(self) -> Sequence[Register]:
        """The whole register map; empty for a pile that speaks OCPP."""
        if self.face != "modbus":
            return []
        request = pb.ReadRegistersRequest(pile_id=self.pile_id)
        found = self.bench.ask("ReadRegisters", request).registers
        return [
            _register(tuple(words))
            for _, words in groupby(found, key=lambda r: (r.socket, r.function_code, r.name))
        ]

    def write(self, address: int, words: Sequence[int]) -> None:
        """Writes words as a Modbus master would; raises BenchRefused as the device does."""
        request = pb.WriteRegistersRequest(pile_id=self.pile_id, address=address, words=words)
        self.bench.ask("WriteRegisters", request)
        self.trace.did(f"write {list(words)} to 0x{address:04x}")

    def agent_table(self) -> str:
        """The `[[pile]]` table by which an agent reads this pile, TOML."""
        lines = ["[[pile]]", f"uid = {toml(self.pile_id)}"]
        if self.face == "modbus":
            host, _, port = self.address.rpartition(":")
            unit = self.settings.get("unit_id")
            lines += [
                f"profile = {toml(profile_of(self.model))}",
                f"host = {toml(host)}",
                f"port = {port}",
            ]
            lines += [f"device_id = {unit}"] if unit is not None else []
            if self.settings.get("transport") == "rtu-over-tcp":
                lines.append('transport = "modbus-rtu-over-tcp"')
        else:
            lines.append(f"profile = {toml(self.face)}")
        plug = self.plug
        for _ in range(plug.count):
            lines += ["[[pile.connector]]", f"standard = {toml(plug.standard)}"]
            lines += [f"max_power_kw = {plug.max_power_kw}"]
        return "\n".join(lines) + "\n"

    def reset(self) -> None:
        """Puts everything back to nominal: no car, no fault, no limit, bay free."""
        self.bench.ask("Reset", pb.ResetRequest(pile_id=self.pile_id))

    def lent(self) -> None:
        """Begins a test: nominal, on the clock, with an empty trace."""
        self.reset()
        self.clock.drive(self.bench.address, self._move)
        self._logged = len(self.room.log(-1))
        self.trace.begin()

    def given_back(self) -> None:
        """Ends a test: off the clock, nominal, writing into no report any more."""
        self.clock.release(self.bench.address)
        self.record = lambda name, value: None
        self.reset()

    def evidence(self) -> list[tuple[str, str]]:
        """The trace and the simulator's log of this test."""
        if self.room.running:
            self.trace.sample()
        title = f"{self.pile_id} ({self.model}), {self.clock.word}, seed {self.seed}: trace"
        found = [(title, self.trace.text())]
        log = self.room.log(-1)[self._logged :]
        return [*found, (f"{self.pile_id}: log of the simulator", log)] if log else found

    def close(self) -> None:
        """Ends the process."""
        self.clock.release(self.bench.address)
        self.bench.close()
        self.room.stop()

    def _act(self, method: str, request: Any, what: str) -> PileState:
        __tracebackhide__ = True
        answer = self.bench.ask(method, request)
        self.trace.did(what)
        return state_of(answer.state)

    def _seeker(self, evse: int) -> Callable[[float], None] | None:
        if not self.clock.stepped:
            return None

        def seek(most_s: float) -> None:
            request = pb.AdvanceRequest(duration_s=most_s, until_evse_ids=[self.evse_id(evse)])
            self.clock.reached(self.bench.ask("Advance", request).domain_at_ms)

        return seek

    def _move(self, duration_s: float) -> int:
        request = pb.AdvanceRequest(duration_s=duration_s)
        return int(self.bench.ask("Advance", request).domain_at_ms)


def state_of(state: pb.SimulatedState) -> PileState:
    """The message as a test reads it."""
    status = types_pb2.OcppStatus.Name(state.ocpp_status).removeprefix("OCPP_STATUS_")
    letter = types_pb2.Iec61851State.Name(state.iec61851_state).removeprefix("IEC61851_STATE_")
    contactor = pb.ContactorState.Name(state.contactor).removeprefix("CONTACTOR_STATE_")
    has = state.HasField
    return PileState(
        evse_id=state.evse_id,
        status=_WORDS.get(status, status),
        iec=letter,
        power_kw=state.power_kw,
        energy_kwh=state.energy_kwh,
        soc_pct=state.soc_pct if has("soc_pct") else None,
        plugged=has("soc_pct"),
        bay_occupied=state.bay_occupied,
        done=state.done,
        faults=tuple(state.faults),
        error=state.error_code,
        duty_pct=state.duty_pct,
        pilot_v=state.pilot_v,
        contactor=contactor.lower(),
        locked=state.locked,
        temperature_c=state.temperature_c,
        cable_c=state.cable_c,
        voltage_v=state.voltage_v,
        current_a=state.current_a,
        phases=tuple((phase.voltage_v, phase.current_a) for phase in state.phases),
        residual_ma=state.residual_ma,
        isolation_kohm=state.isolation_kohm if has("isolation_kohm") else None,
        inputs=dict(state.inputs),
        emergency_pressed=state.emergency_pressed,
        dark=state.dark,
    )


def _register(words: tuple[pb.Register, ...]) -> Register:
    first = words[0]
    return Register(
        address=first.address,
        name=first.name,
        words=tuple(register.word for register in words),
        value="" if first.without_value else first.value,
        unit=first.unit,
        function=first.function_code,
        writer=first.writer,
        age_s=first.age_s,
    )
