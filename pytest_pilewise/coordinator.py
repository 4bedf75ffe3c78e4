"""A district coordinator as the thing under test: a real process with stations, cars and promises.

What a car does is in `car.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns
from pytest_pilewise.car import Car
from pytest_pilewise.clock import LIVE, BenchClock
from pytest_pilewise.expectation import wait_until
from pytest_pilewise.pile import Pile
from pytest_pilewise.process import Room, toml
from pytest_pilewise.upstream import Reported

CALL_S = 10.0
Place = tuple[float, float]
"""Latitude and longitude, degrees."""
HERE: Place = (22.5400, 114.0500)


class CoordinatorUnderTest:
    """One coordinator with an empty store; `at` are (latitude, longitude) in degrees."""

    def __init__(self, folder: Path, clock: BenchClock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.room = Room("coordinator", "coordinator", folder)
        self._folder = folder
        self._clock = clock
        self._watch = BenchClock(LIVE) if clock.stepped else clock
        self._channel: grpc.Channel | None = None
        self._cars: list[Car] = []
        self._names: dict[str, str] = {}

    def __repr__(self) -> str:
        return "<CoordinatorUnderTest>"

    @property
    def address(self) -> str:
        """host:port of its services."""
        return str(self.room.ready["grpc"])

    def start(self) -> None:
        """Starts the process."""
        clock = self._clock
        config = (
            f'[coordinator]\ndistrict = "bench"\nlisten = "127.0.0.1:0"\n'
            f"data_dir = {toml(self._folder / 'data')}\nstale_after_s = 8.0\n"
        )
        if not clock.stepped:
            config += (
                f"[clock]\nepoch_at_ms = {clock.epoch_at_ms}\nanchor_s = {clock.anchor_s}\n"
                f"speed = {clock.speed}\n"
            )
        self.room.start(config)
        self._channel = grpc.insecure_channel(self.address)
        self._operator = op_rpc.OperatorServiceStub(self._channel)

    def station(self, station_id: str, *piles: Pile, at: Place = HERE) -> None:
        """Tells the coordinator that these piles stand there, and what plugs they have."""
        self._names |= {fault.code: fault.name for p in piles for fault in p.known_faults()}
        station = nouns.Station(
            station_id=station_id,
            name=station_id,
            position=nouns.Position(latitude_deg=at[0], longitude_deg=at[1]),
            piles=[_facts(pile, station_id) for pile in piles],
        )
        answer = self._operator.PutStations(
            op.PutStationsRequest(stations=[station]), timeout=CALL_S
        )
        if answer.rejected_count:
            raise ValueError(f"the coordinator refuses {station_id}: {answer.errors}")

    def car(self, vehicle_id: str, *, battery_kwh: float = 60.0, at: Place = HERE) -> Car:
        """A car at a place, which takes every plug that a pile of this bench has."""
        if self._channel is None:
            raise RuntimeError("the coordinator was not started")
        car = Car(self._channel, vehicle_id, battery_kwh, at, self._watch)
        self._cars.append(car)
        return car

    def latest(self, evse_id: str) -> Reported | None:
        """What it believes of one EVSE; None where it has not heard of it."""
        page = nouns.PageRequest(page_size=1000)
        listed = self._operator.ListPiles(
            op.OperatorServiceListPilesRequest(page=page), timeout=CALL_S
        )
        for live in listed.evses:
            if live.evse.evse_id == evse_id:
                status = nouns.EvseStatus.Name(live.status).removeprefix("EVSE_STATUS_")
                code = self._names.get(live.fault_code, live.fault_code)
                return Reported(
                    evse_id, status, (code,) if code else (), live.power_kw, live.reason
                )
        return None

    def expect(self, pile: Pile, *, within_s: float, evse: int = 1, **conditions: Any) -> float:
        """Seconds until it believes the pile to be so; raises NotMet.

        Conditions are fields of `Reported`: `status` (OCPI's word or OCPP's), `fault`, `power_kw`.
        """
        __tracebackhide__ = True
        evse_id = pile.evse_id(evse)
        who = f"coordinator about {evse_id}"
        return wait_until(who, lambda: self.latest(evse_id), conditions, within_s, self._watch)

    def evidence(self) -> list[tuple[str, str]]:
        """What its cars were told, and the end of its log."""
        told = "\n".join(line for car in self._cars for line in car.told)
        return [("coordinator: cars", told), ("coordinator: end of its log", self.room.log())]

    def close(self) -> None:
        """Ends cars and process."""
        for car in self._cars:
            car.close()
        if self._channel is not None:
            self._channel.close()
        self.room.stop()


def _facts(pile: Pile, station_id: str) -> nouns.PileFacts:
    plug = pile.plug
    return nouns.PileFacts(
        pile_id=pile.pile_id,
        station_id=station_id,
        evses=[
            nouns.Evse(
                evse_id=pile.evse_id(number),
                connectors=[
                    nouns.Connector(
                        connector_id="1",
                        standard=nouns.ConnectorStandard.Value(
                            f"CONNECTOR_STANDARD_{plug.standard}"
                        ),
                        power_type=nouns.PowerType.Value(f"POWER_TYPE_{plug.power_type}"),
                        max_power_kw=plug.max_power_kw,
                    )
                ],
            )
            for number in range(1, plug.count + 1)
        ],
    )
