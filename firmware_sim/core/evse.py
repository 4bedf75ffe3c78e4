"""The state of one EVSE as values: what it is, who stands there, what runs, what is broken.

How one state becomes the next is in `controller.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from firmware_sim.core.faults import ActiveFault
from firmware_sim.core.inputs import NOMINAL, Inputs
from firmware_sim.core.meter import Meter
from firmware_sim.core.pilot import CAR_OHM, DIGITAL_DUTY_PCT, cable_of, duty_of, volts_of
from firmware_sim.core.plugged import Brewing, Car, Reservation, Session, TokenAhead
from firmware_sim.core.spec import (
    AC_MIN_CURRENT_A,
    AC_VOLTAGE_V,
    CABLE_CHECK_LEFT_S,
    CABLE_CHECK_V,
    DC_MAX_CURRENT_A,
    DC_MIN_POWER_KW,
    PRECHARGE_LEFT_S,
    Contactor,
    EvseSpec,
    Lock,
    Phase,
    Pilot,
    Stage,
    Supply,
)

__all__ = [
    "AC_MIN_CURRENT_A",
    "AC_VOLTAGE_V",
    "DC_MAX_CURRENT_A",
    "DC_MIN_POWER_KW",
    "Brewing",
    "Car",
    "Contactor",
    "Evse",
    "EvseSpec",
    "Lock",
    "Phase",
    "Pilot",
    "Reservation",
    "Session",
    "Stage",
    "Supply",
    "TokenAhead",
]


_SLACK_S = 1e-6


@dataclass(frozen=True, slots=True)
class Evse:
    """Everything that is true of one EVSE at an instant.

    `limit_kw` is what a master asked for (None: nothing), `fallback_kw` what the pile falls back
    to while its master is silent, `share_kw` its part of a pile that shares power. `parked` means
    that something stands in the bay without being plugged in. Without power, and for `boot_left_s`
    after it came back, the pile is dark. `temperature_c` is measured in the cabinet.
    """

    spec: EvseSpec
    meter: Meter = field(default_factory=Meter)
    pilot: Pilot = Pilot.A1
    power_kw: float = 0.0
    car: Car | None = None
    session: Session | None = None
    sessions_begun: int = 0
    faults: tuple[ActiveFault, ...] = ()
    is_operative: bool = True
    operative_after_session: bool | None = None
    reservation: Reservation | None = None
    token_ahead: TokenAhead | None = None
    limit_kw: float | None = None
    fallback_kw: float | None = None
    share_kw: float = math.inf
    parked: bool = False
    queue_length: int = 0
    inputs: Inputs = NOMINAL
    lock: Lock = Lock.UNLOCKED
    temperature_c: float = NOMINAL.ambient_c
    cable_c: float = NOMINAL.ambient_c
    emergency_pressed: bool = False
    has_power: bool = True
    boot_left_s: float = 0.0
    brewing: tuple[Brewing, ...] = ()

    @property
    def is_dark(self) -> bool:
        """Whether it has no power or is still starting: nobody gets an answer."""
        return not self.has_power or self.boot_left_s > 0

    @property
    def bay_occupied(self) -> bool:
        """Whether anything stands in the bay: a plugged car, or something parked."""
        return self.parked or self.car is not None

    @property
    def is_broken(self) -> bool:
        """Whether a fault keeps the relay open."""
        return any(fault.kind.stops for fault in self.faults)

    @property
    def relay_closed(self) -> bool:
        """Whether the contactor is told to connect the car."""
        return self.pilot in (Pilot.C2, Pilot.D2)

    @property
    def contactor(self) -> Contactor:
        """What the mirror contact tells."""
        if self.relay_closed:
            return Contactor.OPEN if self.inputs.contactor_dead else Contactor.CLOSED
        return Contactor.WELDED if self.inputs.contactor_welded else Contactor.OPEN

    @property
    def is_running(self) -> bool:
        """Whether a transaction runs."""
        return self.session is not None and self.session.phase is Phase.RUNNING

    @property
    def stage(self) -> Stage:
        """What the session is doing."""
        if self.session is None or not self.is_running or self.is_dark or self.is_broken:
            return Stage.IDLE
        left_s = self.session.handshake_left_s
        if left_s <= 0:
            return Stage.ENERGY if self.relay_closed else Stage.SUSPENDED
        if self.spec.supply is not Supply.DC or left_s > CABLE_CHECK_LEFT_S + _SLACK_S:
            return Stage.LOCKING
        checking = left_s > PRECHARGE_LEFT_S + _SLACK_S
        return Stage.CABLE_CHECK if checking else Stage.PRECHARGE

    @property
    def output_v(self) -> float:
        """Voltage of a DC pile's power part, before its contactor or behind it, V."""
        if self.spec.supply is not Supply.DC or self.car is None:
            return 0.0
        if self.stage is Stage.CABLE_CHECK:
            return CABLE_CHECK_V
        if self.stage is Stage.PRECHARGE:
            return self.car.battery.pack_v * self.inputs.precharge_reach_pct / 100
        return self.voltage_v

    @property
    def session_wh(self) -> float:
        """Energy of the present session, Wh; 0 without a car."""
        return self.meter.since(self.session.start_wh) if self.session else 0.0

    @property
    def offered_kw(self) -> float:
        """What the EVSE could give now, kW: rating, share, limits, cable and derating together."""
        if self.inputs is NOMINAL or self.spec.supply is Supply.DC:
            return self._limited_kw
        return self.offered_a * sum(self.phase_voltages_v) / 1000

    @property
    def offered_a(self) -> float:
        """Current per phase that the EVSE could give now, A; for DC what the cable carries."""
        if self.spec.supply is Supply.DC:
            return DC_MAX_CURRENT_A
        current_a = self._limited_kw * 1000 / (AC_VOLTAGE_V * self.spec.supply.phases)
        if self.inputs.proximity_ohm is not None:
            current_a = min(current_a, cable_of(self.inputs.proximity_ohm) or 0.0)
        return current_a

    @property
    def offers_enough(self) -> bool:
        """Whether it could give the least that it can give."""
        if self.spec.supply is Supply.DC:
            return self._limited_kw >= DC_MIN_POWER_KW - 1e-9
        return self.offered_a >= AC_MIN_CURRENT_A - 1e-9

    @property
    def _limited_kw(self) -> float:
        """The offer at nominal mains and with any cable, kW."""
        limited_kw = min(self.spec.max_power_kw, self.share_kw)
        for limit_kw in (self.limit_kw, self.fallback_kw):
            if limit_kw is not None:
                limited_kw = min(limited_kw, limit_kw)
        for fault in self.faults:
            limited_kw *= fault.kind.power_factor
        return limited_kw

    @property
    def phases_used(self) -> int:
        """AC phases that the car draws from; 0 for DC."""
        wired = self.spec.supply.phases
        return min(wired, self.car.phases) if self.car is not None else wired

    @property
    def phase_voltages_v(self) -> tuple[float, ...]:
        """Mains voltage of each phase, V; empty for DC."""
        inputs = self.inputs
        mains = (inputs.mains_l1_v, inputs.mains_l2_v, inputs.mains_l3_v)
        return mains[: self.spec.supply.phases]

    @property
    def voltage_v(self) -> float:
        """Voltage at the plug, V: mains for AC, the pack's for DC, 0 without a car on DC."""
        if self.spec.supply is not Supply.DC:
            return self.inputs.mains_l1_v
        return self.car.battery.pack_v if self.car and self.relay_closed else 0.0

    @property
    def _volts_in_all(self) -> float:
        """Sum of the voltages that power is drawn at, V."""
        if self.spec.supply is Supply.DC:
            return self.car.battery.pack_v if self.car else 0.0
        if self.inputs is NOMINAL:
            return AC_VOLTAGE_V * self.phases_used
        return sum(self.phase_voltages_v[: self.phases_used])

    @property
    def offset_kw(self) -> float:
        """Power that something else than the car draws, kW."""
        if self.inputs is NOMINAL or not self.relay_closed:
            return 0.0
        dc = self.spec.supply is Supply.DC
        volts = self._volts_in_all if dc else sum(self.phase_voltages_v)
        return self.inputs.load_offset_a * volts / 1000

    @property
    def car_kw(self) -> float:
        """Power that the car draws, kW."""
        if self.inputs is NOMINAL:
            return self.power_kw
        return max(self.power_kw - self.offset_kw, 0.0)

    @property
    def current_a(self) -> float:
        """Current of the first phase (DC: in all), A."""
        volts = self._volts_in_all
        if self.power_kw == 0 or volts <= 0:
            return 0.0
        if self.inputs is NOMINAL:
            return self.power_kw * 1000 / volts
        return self.car_kw * 1000 / volts + self.inputs.load_offset_a

    @property
    def phase_currents_a(self) -> tuple[float, ...]:
        """Current of each phase, A; empty for DC."""
        wired, used = self.spec.supply.phases, self.phases_used
        if not self.relay_closed or self.power_kw == 0:
            return (0.0,) * wired
        idle_a = self.inputs.load_offset_a
        return (self.current_a,) * used + (idle_a,) * (wired - used)

    @property
    def residual_ma(self) -> float:
        """Residual current, mA; none flows while the contactor is open."""
        if self.contactor is Contactor.OPEN:
            return 0.0
        return math.hypot(self.inputs.residual_ac_ma, self.inputs.residual_dc_ma)

    @property
    def isolation_kohm(self) -> float:
        """What the isolation monitor of a DC output measures, kOhm."""
        return self.inputs.isolation_kohm

    @property
    def duty_pct(self) -> float:
        """Duty of the pilot, %: 100 is steady, 5 asks to agree digitally, 0 is an error."""
        if self.is_dark or self.pilot in (Pilot.E, Pilot.F):
            return 0.0
        if not self.pilot.is_modulated:
            return 100.0
        return DIGITAL_DUTY_PCT if self.spec.supply is Supply.DC else duty_of(self.offered_a)

    @property
    def pilot_v(self) -> float:
        """Upper voltage of the pilot, V; -12 in state F."""
        if self.is_dark or self.pilot is Pilot.E:
            return 0.0
        if self.pilot is Pilot.F:
            return -12.0
        ohm = self.inputs.pilot_ohm
        return volts_of(CAR_OHM[self.pilot.letter] if ohm is None else ohm)
