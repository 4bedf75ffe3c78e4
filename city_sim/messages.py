"""What an operator puts in, as the contract says it."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.core.pile import Evse, Pile, PlannedOutage, Station, Tariff, User
from coordinator.usecases.telemetry import Road
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns


def station_message(station: Station) -> nouns.Station:
    """The station with its piles."""
    return nouns.Station(
        station_id=station.station_id,
        name=station.name,
        position=_position(station.latitude_deg, station.longitude_deg),
        operator=station.operator,
        operator_url=station.operator_url,
        facilities=station.facilities,
        opening_hours=station.opening_hours,
        parking_space_count=station.parking_space_count,
        payment_methods=[int(p) for p in station.payment_methods],  # type: ignore[misc]
        tariff_id=station.tariff_id,
        piles=[_pile(pile, station.station_id) for pile in station.piles],
    )


def pile_message(pile: Pile) -> nouns.PileFacts:
    """The pile with what is known of it, at the station that it names."""
    return _pile(pile, pile.station_id)


def _pile(pile: Pile, station_id: str) -> nouns.PileFacts:
    message = nouns.PileFacts(
        pile_id=pile.pile_id,
        label=pile.label,
        maker=pile.maker,
        model=pile.model,
        serial=pile.serial,
        firmware=pile.firmware,
        station_id=station_id,
        evses=[_evse(evse) for evse in pile.evses],
        sources=pile.sources,
        bay_count=pile.bay_count,
        address=pile.address,
    )
    if pile.commissioned_at_s is not None:
        message.commissioned_at.CopyFrom(_instant(pile.commissioned_at_s))
    if pile.latitude_deg is not None and pile.longitude_deg is not None:
        message.position.CopyFrom(_position(pile.latitude_deg, pile.longitude_deg))
    return message


def _evse(evse: Evse) -> nouns.Evse:
    return nouns.Evse(
        evse_id=evse.evse_id,
        connectors=[
            nouns.Connector(
                connector_id=c.connector_id,
                standard=c.standard,  # type: ignore[arg-type]
                power_type=int(c.power_type),  # type: ignore[arg-type]
                max_power_kw=c.max_power_kw,
            )
            for c in evse.connectors
        ],
        bay_count=evse.bay_count,
    )


def tariff_message(tariff: Tariff) -> op.Tariff:
    """The tariff with its elements."""
    valid = charging.TimeWindow()
    if tariff.valid_from_s is not None:
        valid.from_at.CopyFrom(_instant(tariff.valid_from_s))
    if tariff.valid_until_s is not None:
        valid.to_at.CopyFrom(_instant(tariff.valid_until_s))
    return op.Tariff(
        tariff_id=tariff.tariff_id,
        currency=tariff.currency,
        time_zone=tariff.time_zone,
        valid=valid if valid.ByteSize() else None,
        elements=[
            op.TariffElement(
                dimension=e.dimension,
                price=nouns.Money(currency=tariff.currency, micros=round(e.price * 1e6)),
                start_time=e.start_time,
                end_time=e.end_time,
                weekdays=e.weekdays,
            )
            for e in tariff.elements
        ],
    )


def user_message(user: User) -> op.UserRecord:
    """The driver's record."""
    message = op.UserRecord(
        user_id=user.user_id,
        vip=user.vip,
        vehicle_model=user.vehicle_model,
        habits=user.habits,
        vehicle_ids=user.vehicle_ids,
    )
    if user.vip_until_s is not None:
        message.vip_until.CopyFrom(_instant(user.vip_until_s))
    return message


def road_message(road: Road) -> op.RoadEdge:
    """The edge of the road graph."""
    return op.RoadEdge(
        from_node=road.from_node,
        to_node=road.to_node,
        from_position=_position(*road.from_position),
        to_position=_position(*road.to_position),
        length_km=road.length_km,
        free_speed_kmh=road.free_speed_kmh,
        grade_by_hour=road.grade_by_hour,
        two_way=road.two_way,
    )


def outage_message(outage: PlannedOutage) -> op.PlannedOutage:
    """The planned outage."""
    window = charging.TimeWindow(from_at=_instant(outage.from_s), to_at=_instant(outage.to_s))
    return op.PlannedOutage(
        evse_id=outage.evse_id,
        station_id=outage.station_id,
        window=window,
        reason=outage.reason,
    )


def _position(latitude_deg: float, longitude_deg: float) -> nouns.Position:
    return nouns.Position(latitude_deg=latitude_deg, longitude_deg=longitude_deg)


def _instant(at_s: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(round(at_s * 1e6))
    return stamp
