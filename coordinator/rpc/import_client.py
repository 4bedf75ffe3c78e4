"""An import into a running coordinator: values to the wire, in messages that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import grpc

from coordinator.core.pile import Evse, Pile, Station, Tariff, User
from coordinator.errors import ImportInvalid, Problem
from coordinator.importers.whole import Imported
from coordinator.rpc.noun_codec import position, timestamp
from coordinator.usecases.telemetry import Road
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

T = TypeVar("T")
CHUNK = 500
TIMEOUT_S = 60.0


async def import_through(address: str, imported: Imported) -> dict[str, int]:
    """How many of each a running coordinator took.

    Raises `ImportInvalid` for entries that it refused, and `grpc.aio.AioRpcError`.
    """
    async with grpc.aio.insecure_channel(address) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        problems: list[Problem] = []
        for stations in _chunks(imported.stations):
            put = op.PutStationsRequest(stations=[from_station(s) for s in stations])
            answer = await stub.PutStations(put, timeout=TIMEOUT_S)
            problems += [_problem("stations", error) for error in answer.errors]
        for tariffs in _chunks(imported.tariffs):
            rates = op.PutTariffsRequest(tariffs=[from_tariff(t) for t in tariffs])
            answered = await stub.PutTariffs(rates, timeout=TIMEOUT_S)
            problems += [_problem("tariffs", error) for error in answered.errors]
        for users in _chunks(imported.users):
            people = op.PutUsersRequest(users=[from_user(u) for u in users])
            heard = await stub.PutUsers(people, timeout=TIMEOUT_S)
            problems += [_problem("users", error) for error in heard.errors]
        for number, roads in enumerate(_chunks(imported.roads)):
            ways = op.PutRoadsRequest(edges=[from_road(r) for r in roads], replace=number == 0)
            laid = await stub.PutRoads(ways, timeout=TIMEOUT_S)
            problems += [_problem("roads", error) for error in laid.errors]
        for pile_id, agent_id in imported.owners.items():
            assign = op.AssignPileRequest(pile_id=pile_id, agent_id=agent_id)
            await stub.AssignPile(assign, timeout=TIMEOUT_S)
    if problems:
        raise ImportInvalid(problems)
    return imported.counts()


def _problem(what: str, error: nouns.EntryError) -> Problem:
    return Problem(error.code, what, error.message)


def _chunks(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(entries), CHUNK):
        yield entries[start : start + CHUNK]


def from_station(station: Station) -> nouns.Station:
    """A station for the wire."""
    return nouns.Station(
        station_id=station.station_id,
        name=station.name,
        position=position(station.latitude_deg, station.longitude_deg),
        operator=station.operator,
        facilities=station.facilities,
        opening_hours=station.opening_hours,
        parking_space_count=station.parking_space_count,
        payment_methods=[nouns.PaymentMethod.ValueType(int(p)) for p in station.payment_methods],
        tariff_id=station.tariff_id,
        piles=[from_pile(pile) for pile in station.piles],
        operator_url=station.operator_url,
    )


def from_pile(pile: Pile) -> nouns.PileFacts:
    """A pile for the wire."""
    facts = nouns.PileFacts(
        pile_id=pile.pile_id,
        label=pile.label,
        maker=pile.maker,
        model=pile.model,
        serial=pile.serial,
        firmware=pile.firmware,
        station_id=pile.station_id,
        evses=[_from_evse(evse) for evse in pile.evses],
        sources=pile.sources,
    )
    if pile.commissioned_at_s is not None:
        facts.commissioned_at.MergeFrom(timestamp(pile.commissioned_at_s) or facts.commissioned_at)
    if pile.latitude_deg is not None and pile.longitude_deg is not None:
        facts.position.MergeFrom(position(pile.latitude_deg, pile.longitude_deg))
    return facts


def _from_evse(evse: Evse) -> nouns.Evse:
    return nouns.Evse(
        evse_id=evse.evse_id,
        connectors=[
            nouns.Connector(
                connector_id=c.connector_id,
                standard=nouns.ConnectorStandard.ValueType(c.standard),
                power_type=nouns.PowerType.ValueType(int(c.power_type)),
                max_power_kw=c.max_power_kw,
            )
            for c in evse.connectors
        ],
        bay_count=evse.bay_count,
    )


def from_tariff(tariff: Tariff) -> op.Tariff:
    """A tariff for the wire."""
    elements = [
        op.TariffElement(
            dimension=element.dimension,
            price=nouns.Money(currency=tariff.currency, micros=round(element.price * 1e6)),
            start_time=element.start_time,
            end_time=element.end_time,
            weekdays=element.weekdays,
        )
        for element in tariff.elements
    ]
    valid = None
    if tariff.valid_from_s is not None or tariff.valid_until_s is not None:
        valid = charging.TimeWindow(
            from_at=None if tariff.valid_from_s is None else timestamp(tariff.valid_from_s),
            to_at=None if tariff.valid_until_s is None else timestamp(tariff.valid_until_s),
        )
    return op.Tariff(
        tariff_id=tariff.tariff_id,
        currency=tariff.currency,
        elements=elements,
        time_zone=tariff.time_zone,
        valid=valid,
    )


def from_user(user: User) -> op.UserRecord:
    """A user for the wire."""
    return op.UserRecord(
        user_id=user.user_id,
        vip=user.vip,
        vip_until=None if user.vip_until_s is None else timestamp(user.vip_until_s),
        vehicle_model=user.vehicle_model,
        habits=user.habits,
        vehicle_ids=user.vehicle_ids,
    )


def from_road(road: Road) -> op.RoadEdge:
    """An edge of the road graph for the wire."""
    return op.RoadEdge(
        from_node=road.from_node,
        to_node=road.to_node,
        from_position=position(*road.from_position),
        to_position=position(*road.to_position),
        length_km=road.length_km,
        free_speed_kmh=road.free_speed_kmh,
        grade_by_hour=road.grade_by_hour,
        two_way=road.two_way,
    )
