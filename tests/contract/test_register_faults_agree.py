"""Faults of the catalogue in every model's registers, as the agent's profile reads them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from register_models import MODELS, profile_of

from edge_agent.core.decoder import Decoder
from edge_agent.core.reading import EvseStatus, Reading
from edge_agent.core.registers import STATION_DEVICE
from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import inject, plug_in
from firmware_sim.core.evse import Car, Evse, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.pile import PileSpec, build_pile
from firmware_sim.faces.registers.map import STATION, Device
from firmware_sim.faces.registers.models import REGISTER_MAPS

STOPPING = [name for name, kind in FAULTS.items() if kind.stops]
# What a model has a number or a bit for, from the datasheet facts; the agent names it by its code.
# A bit that stands for several faults is told by the code that it has there.
TOLD = {
    "webasto-next": {
        "EVSEContactorFault": "CX017",
        "PowerLoss": "CX015",
        "EVCommunicationError": "EVCommunicationError",
        "OverVoltage": "CX005",
        "UnderVoltage": "CX006",
        "OverCurrentFailure": "CX004",
        "GroundFailure": "CX002",
        "HighTemperature": "CX003",
        "ProximityFault": "CX023",
        "PilotFault": "CX014",
    },
    "bender-cc613": {
        "PowerLoss": "CX015",
        "GroundFailure": "CX002",
        "PilotFault": "CX014",
        "EVSEContactorFault": "CX017",
        "ConnectorLockFailure": "CX001",
        "OverCurrentFailure": "CX004",
    },
    "phoenix-ev-cc": {
        "ProximityFault": "CX023",
        "PilotFault": "CX014",
        "ConnectorLockFailure": "CX001",
        "InvalidVehicleMode": "CX010",
        "EVSEContactorFault": "CX017",
        "GroundFailure": "CX002",
    },
}


def spec(name: str) -> PileSpec:
    model = MODELS[name]
    supply = Supply.DC if model.dc else Supply.AC_3
    power_kw = 150.0 if model.dc else 22.08
    return PileSpec("P", name, power_kw, supply, model.evses, serial="0123456789ABCDEF")


def readings(name: str) -> Callable[[str], Reading]:
    """Gives the last EVSE's reading after a fault while it charged."""
    count = MODELS[name].evses
    registers = REGISTER_MAPS[name](spec(name))
    decoder = Decoder(profile_of(name), [f"P*{n + 1}" for n in range(count)])
    charging = build_pile(spec(name)).with_evse(f"P*{count}", charge)

    def seen(fault: str) -> Reading:
        pile = charging.with_evse(f"P*{count}", lambda evse: inject(evse, FAULTS[fault], None))
        shown = Device(pile, time_s=1_700_000_000)
        words = [
            word
            for span in decoder.each
            for word in registers.read(
                shown, span.function, span.address, span.count, socket_of(span.device)
            )
        ]
        return decoder.readings(words)[-1]

    return seen


def charge(evse: Evse) -> Evse:
    return advance(plug_in(evse, Car(Battery(60.0, 37.5, 120.0), 80.0), ""), 600)


def socket_of(device: int) -> int:
    return STATION if device == STATION_DEVICE else device


@pytest.mark.parametrize("name", MODELS)
def test_no_fault_that_stops_looks_usable(name: str) -> None:
    """Whatever breaks while it charges, the agent sees no charging pile: out of order with a fault,
    or what the model shows in place of one."""
    seen = readings(name)
    for fault in STOPPING:
        reading = seen(fault)

        assert (fault, reading.status.name) in {(fault, status) for status in expected(name, fault)}
        if reading.status is EvseStatus.OUTOFORDER:
            assert reading.faults, fault
        assert not reading.values.power_kw, fault


def expected(name: str, fault: str) -> set[str]:
    """Which statuses a fault may have at a model."""
    found = {"OUTOFORDER", MODELS[name].blind.get("broken with a car", "OUTOFORDER")}
    if FAULTS[fault].pilot is None:
        # The pilot keeps its letter: a model that shows letters alone cannot tell.
        found.add("CHARGING")
    if name == "phoenix-ev-cc":
        # For what has no bit of its own it has state F only, which is out of service.
        found.add("INOPERATIVE")
    return found


@pytest.mark.parametrize("name", TOLD)
def test_fault_that_a_model_has_a_number_for_arrives_by_its_code(name: str) -> None:
    """Both readings of the sheet mean the same fault by the same number or bit."""
    seen = readings(name)
    for fault, code in TOLD[name].items():
        assert code in [told.code for told in seen(fault).faults], fault
