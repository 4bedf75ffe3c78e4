"""A small district that the coordinator under fire serves: stations, statuses, cars with promises.

It is put in again before each slice, because inputs change and end what others made.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import grpc

from bench.fuzz.values import CARS, EVSES, HERE, LIVE, PILES, STATIONS
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc as edge_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

GOOD_S = 10.0


@dataclass(slots=True)
class District:
    """What good clients do: seed, ask, and take promises that inputs may name."""

    address: str
    live_ids: dict[bytes, bytes] = field(default_factory=dict)
    round: int = 0

    def channel(self) -> grpc.aio.Channel:
        """A connection that stays open until closed."""
        return grpc.aio.insecure_channel(self.address)

    async def seed(self) -> None:
        """Puts everything in; what is refused because of earlier inputs stays as it is."""
        self.round += 1
        async with self.channel() as channel:
            operator = op_rpc.OperatorServiceStub(channel)
            await self._try(operator.PutStations(stations(), timeout=GOOD_S))
            await self._report(edge_rpc.EdgeServiceStub(channel))
            service = charging_rpc.ChargingServiceStub(channel)
            for number, placeholder in enumerate(LIVE):
                answer = await self._try(service.Recommend(self.wish(number), timeout=GOOD_S))
                made = answer.promise.recommendation_id if answer is not None else ""
                if len(made) == len(placeholder):
                    self.live_ids[placeholder.encode()] = made.encode()

    async def alive(self) -> str:
        """Empty if a good car is answered, else what it met."""
        async with self.channel() as channel:
            service = charging_rpc.ChargingServiceStub(channel)
            try:
                await service.Recommend(self.wish(11), timeout=GOOD_S)
                await service.ListStations(charging.ListStationsRequest(box=BOX), timeout=GOOD_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    return f"a good request got {error.code().name}: {error.details()}"
        return ""

    def wish(self, number: int) -> charging.RecommendRequest:
        """A request that nothing is wrong with; each round asks anew."""
        return charging.RecommendRequest(
            request_id=f"good-{self.round}-{number}",
            vehicle_id=CARS[number],
            soc_pct=30.0,
            vehicle=charging.VehicleProfile(battery_kwh=60.0, connectors=[GBT_DC]),
            position=nouns.Position(latitude_deg=HERE[0] + 0.01, longitude_deg=HERE[1]),
        )

    def filled(self, frame: bytes) -> bytes:
        """The frame with live recommendations in place of those that stand for them."""
        if LIVE_MARK in frame:
            for placeholder, made in self.live_ids.items():
                frame = frame.replace(placeholder, made)
        return frame

    async def _report(self, service: edge_rpc.EdgeServiceStub) -> None:
        """An agent that says once that all piles are free."""
        call = service.Connect()
        with contextlib.suppress(grpc.aio.AioRpcError, TimeoutError):
            hello = edge.Hello(
                agent_id="seeder",
                spool_id=f"seeds-{self.round}-{time.time_ns()}",
                next_record_seq=1,
                piles=[pile for station in stations().stations for pile in station.piles],
            )
            async with asyncio.timeout(GOOD_S):
                await call.write(edge.ConnectRequest(hello=hello))
                await call.read()
                batch = all_free(hello.spool_id)
                await call.write(edge.ConnectRequest(batch=batch))
                await call.read()
        call.cancel()

    async def _try(self, call: grpc.aio.UnaryUnaryCall) -> charging.RecommendResponse | None:
        try:
            return await call
        except grpc.aio.AioRpcError:
            return None


LIVE_MARK = b"00000000-0000-7000-8000-"
GBT_DC = nouns.CONNECTOR_STANDARD_GBT_DC
BOX = charging.BoundingBox(south_deg=22.0, west_deg=113.5, north_deg=23.0, east_deg=114.5)


def stations() -> op.PutStationsRequest:
    """Two stations with four piles each."""
    made = []
    for number, station_id in enumerate(STATIONS):
        where = nouns.Position(latitude_deg=HERE[0] - 0.01 * number, longitude_deg=HERE[1])
        piles = [
            nouns.PileFacts(pile_id=pile_id, station_id=station_id, position=where,
                            evses=[_evse(pile_id)])
            for pile_id in PILES[4 * number : 4 * number + 4]
        ]  # fmt: skip
        made.append(
            nouns.Station(station_id=station_id, name=station_id, position=where, piles=piles)
        )
    return op.PutStationsRequest(stations=made)


def _evse(pile_id: str) -> nouns.Evse:
    plug = nouns.Connector(
        connector_id="1", standard=GBT_DC, power_type=nouns.POWER_TYPE_DC, max_power_kw=60
    )
    return nouns.Evse(evse_id=f"{pile_id}*1", connectors=[plug], bay_count=1)


def all_free(spool_id: str) -> edge.ReportBatch:
    """One row for each EVSE: it is free now."""
    count = len(EVSES)
    return edge.ReportBatch(
        spool_id=spool_id,
        first_record_seq=1,
        record_count=count,
        evse_ids=EVSES,
        evse_index=range(count),
        kind=[edge.RECORD_KIND_STATUS] * count,
        observed_at_ms=[int(time.time() * 1000)] * count,
        status=[nouns.EVSE_STATUS_AVAILABLE] * count,
        source=[nouns.STATUS_SOURCE_MODBUS] * count,
    )
