"""The cities of the recommend benches: EVSEs of one density, their statuses, what cars ask."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import grpc

from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc, operator_service_pb2_grpc
from pilewise.v1 import operator_service_pb2 as operator
from pilewise.v1 import types_pb2 as nouns

EVSES_PER_STATION = 8
STATIONS_PER_AGENT = 62
SOUTH_DEG, WEST_DEG = 22.45, 113.80
CCS2, TYPE2 = nouns.CONNECTOR_STANDARD_IEC_62196_T2_COMBO, nouns.CONNECTOR_STANDARD_IEC_62196_T2
BATCH_RECORDS = 200
BUSY_SHARE = 0.2
DRIVERS_KNOWN = 1_000  # half of those who ask have charged before
SESSIONS_EACH = 3
DAY_S = 86_400
BROKEN_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class City:
    """So many stations; a larger city is wider, not denser."""

    stations: int = 1_250

    @property
    def evses(self) -> int:
        """EVSEs in it."""
        return self.stations * EVSES_PER_STATION

    def place(self, rng: random.Random) -> tuple[float, float]:
        """Latitude and longitude of a place in it."""
        side = (self.stations / 1_250) ** 0.5
        return SOUTH_DEG + rng.random() * 0.35 * side, WEST_DEG + rng.random() * 0.50 * side

    def made(self, seed: int) -> list[nouns.Station]:
        """Its stations, half of their piles DC 120 kW, half AC 7 kW."""
        rng = random.Random(seed)
        return [_station(number, self.place(rng)) for number in range(self.stations)]


USUAL = City()


def _station(number: int, place: tuple[float, float]) -> nouns.Station:
    name = f"S{number:04d}"
    station = nouns.Station(
        station_id=name,
        name=f"Station {number}",
        position=nouns.Position(latitude_deg=place[0], longitude_deg=place[1]),
        tariff_id=f"T{number % 3}",
    )
    for post in range(EVSES_PER_STATION):
        direct = post % 2 == 0
        pile = station.piles.add(pile_id=f"{name}-{post}", station_id=name, label=f"{name}-{post}")
        evse = pile.evses.add(evse_id=f"{name}-{post}*1")
        evse.connectors.add(
            connector_id="1",
            standard=CCS2 if direct else TYPE2,
            power_type=nouns.POWER_TYPE_DC if direct else nouns.POWER_TYPE_AC_3_PHASE,
            max_power_kw=120.0 if direct else 7.0,
        )
    return station


async def build(address: str, seed: int, size: City = USUAL) -> None:
    """Imports the city into a coordinator and reports every EVSE's status through agents."""
    city = size.made(seed)
    async with grpc.aio.insecure_channel(address) as channel:
        put = operator_service_pb2_grpc.OperatorServiceStub(channel)
        tariffs = [_tariff(number) for number in range(3)]
        await put.PutTariffs(operator.PutTariffsRequest(tariffs=tariffs), timeout=60)
        for start in range(0, len(city), 250):
            request = operator.PutStationsRequest(stations=city[start : start + 250])
            await put.PutStations(request, timeout=60)
        for number, start in enumerate(range(0, len(city), STATIONS_PER_AGENT)):
            await _report(channel, number, city[start : start + STATIONS_PER_AGENT], seed)
        history = _sessions(city, seed)
        for start in range(0, len(history), 250):
            sessions = operator.PutSessionsRequest(sessions=history[start : start + 250])
            taken = await put.PutSessions(sessions, timeout=60)
            assert not taken.rejected_count, taken.errors


def _sessions(city: list[nouns.Station], seed: int) -> list[operator.SessionRecord]:
    """What drivers did in the last days, so that habits and tastes have something to say."""
    rng = random.Random(seed + 1)
    now_s = int(time.time())
    records = []
    for driver in range(DRIVERS_KNOWN):
        for _ in range(SESSIONS_EACH):
            pile = rng.choice(rng.choice(city).piles)
            record = operator.SessionRecord(
                evse_id=rng.choice(pile.evses).evse_id, user_id=f"user-{driver}", energy_kwh=20.0
            )
            record.started_at.seconds = now_s - rng.randrange(DAY_S, 20 * DAY_S)
            record.ended_at.seconds = record.started_at.seconds + 1_800
            records.append(record)
    return records


def _tariff(number: int) -> operator.Tariff:
    elements = [operator.TariffElement(dimension="ENERGY", price=_money(1.0 + 0.2 * number))]
    return operator.Tariff(
        tariff_id=f"T{number}", currency="CNY", time_zone="Asia/Shanghai", elements=elements
    )


def _money(amount: float) -> nouns.Money:
    return nouns.Money(currency="CNY", micros=round(amount * 1e6))


async def _report(
    channel: grpc.aio.Channel, number: int, part: list[nouns.Station], seed: int
) -> None:
    """One agent brings its piles, reports each EVSE once, and waits until that is durable."""
    piles = [pile for station in part for pile in station.piles]
    rng = random.Random(seed * 1_000 + number)
    evse_ids = [evse.evse_id for pile in piles for evse in pile.evses]
    spool = f"spool-{number}"
    call = edge_service_pb2_grpc.EdgeServiceStub(channel).Connect()
    hello = edge.Hello(agent_id=f"agent-{number}", spool_id=spool, next_record_seq=1, piles=piles)
    await call.write(edge.ConnectRequest(hello=hello))
    for start in range(0, len(evse_ids), BATCH_RECORDS):
        ids = evse_ids[start : start + BATCH_RECORDS]
        batch = edge.ReportBatch(
            spool_id=spool,
            first_record_seq=start + 1,
            record_count=len(ids),
            evse_ids=ids,
            evse_index=list(range(len(ids))),
            kind=[edge.RECORD_KIND_STATUS] * len(ids),
            observed_at_ms=[int(time.time() * 1000)] * len(ids),
            status=[_status(rng) for _ in ids],
            source=[nouns.STATUS_SOURCE_MODBUS] * len(ids),
        )
        await call.write(edge.ConnectRequest(batch=batch))
    while True:
        message = await call.read()
        if message.ack.stored.acked_through >= len(evse_ids):
            break
    await call.done_writing()
    call.cancel()


def _status(rng: random.Random) -> int:
    draw = rng.random()
    if draw < BROKEN_SHARE:
        return nouns.EVSE_STATUS_OUTOFORDER
    busy = draw < BROKEN_SHARE + BUSY_SHARE
    return nouns.EVSE_STATUS_CHARGING if busy else nouns.EVSE_STATUS_AVAILABLE


def request(car: int, round_number: int, rng: random.Random, city: City) -> bytes:
    """What a car asks this time, as bytes."""
    message = charging.RecommendRequest(
        request_id=f"r{round_number}-{car}",
        vehicle_id=f"car-{car}",
        user_id=f"user-{car}",
        soc_pct=rng.uniform(8.0, 70.0),
        vehicle=charging.VehicleProfile(battery_kwh=60.0, connectors=[CCS2, TYPE2]),
    )
    for place in (message.position, message.destination):
        place.latitude_deg, place.longitude_deg = city.place(rng)
    return message.SerializeToString()
