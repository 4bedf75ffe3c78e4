"""Stations and tariffs as the contract says them."""

from __future__ import annotations

from coordinator.core.pile import Station, Tariff
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns


def station_message(station: Station) -> nouns.Station:
    """The station as the contract says it."""
    return nouns.Station(
        station_id=station.station_id,
        name=station.name,
        position=nouns.Position(
            latitude_deg=station.latitude_deg, longitude_deg=station.longitude_deg
        ),
        operator=station.operator,
        tariff_id=station.tariff_id,
        piles=[
            nouns.PileFacts(
                pile_id=pile.pile_id,
                label=pile.label or pile.pile_id,
                maker=pile.maker,
                model=pile.model,
                station_id=station.station_id,
                evses=[
                    nouns.Evse(
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
                    for evse in pile.evses
                ],
            )
            for pile in station.piles
        ],
    )


def tariff_message(tariff: Tariff) -> op.Tariff:
    """The tariff as the contract says it."""
    return op.Tariff(
        tariff_id=tariff.tariff_id,
        currency=tariff.currency,
        time_zone=tariff.time_zone,
        elements=[
            op.TariffElement(
                dimension=e.dimension,
                price=nouns.Money(currency=tariff.currency, micros=round(e.price * 1e6)),
            )
            for e in tariff.elements
        ],
    )
