"""`OperatorService`: what operators put in. Entries in order are taken, the others are answered."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.clock import Clock
from coordinator.errors import FieldFault
from coordinator.rpc import operator_codec as codec
from coordinator.rpc.noun_codec import station_faults, to_station
from coordinator.rpc.server import Context
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.lists import Lists
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc


class OperatorLists(operator_service_pb2_grpc.OperatorServiceServicer):
    """The half of the service that takes lists in."""

    _inventory: Inventory
    _clock: Clock
    lists: Lists

    async def PutStations(  # noqa: N802 - the contract
        self, request: op.PutStationsRequest, context: Context
    ) -> op.PutStationsResponse:
        """Adds or replaces stations with their piles."""
        good, errors = codec.sort_entries(request.stations, station_faults, "stations")
        if good:
            await self._inventory.put_stations([to_station(station) for station in good])
        return op.PutStationsResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    async def PutTariffs(  # noqa: N802 - the contract
        self, request: op.PutTariffsRequest, context: Context
    ) -> op.PutTariffsResponse:
        """Adds or replaces tariffs."""
        good, errors = codec.sort_entries(request.tariffs, codec.tariff_faults, "tariffs")
        if good:
            await self.lists.put_tariffs([codec.to_tariff(tariff) for tariff in good])
        return op.PutTariffsResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    async def PutUsers(  # noqa: N802 - the contract
        self, request: op.PutUsersRequest, context: Context
    ) -> op.PutUsersResponse:
        """Adds or replaces users."""
        good, errors = codec.sort_entries(request.users, codec.user_faults, "users")
        if good:
            await self.lists.put_users([codec.to_user(user) for user in good])
        return op.PutUsersResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )

    async def PutPlannedOutages(  # noqa: N802 - the contract
        self, request: op.PutPlannedOutagesRequest, context: Context
    ) -> op.PutPlannedOutagesResponse:
        """Adds planned outages; or replaces them, with the whole list or not at all."""
        good, errors = codec.sort_entries(request.outages, self._outage_faults, "outages")
        if request.replace and errors:
            good = []  # what is planned stays: a list with gaps must not take its place
        elif good or request.replace:
            outages = [codec.to_outage(outage) for outage in good]
            await self.lists.put_outages(outages, request.replace, self._clock.now_s())
        refused = len(request.outages) - len(good)
        return op.PutPlannedOutagesResponse(
            accepted_count=len(good), rejected_count=refused, errors=errors
        )

    def _outage_faults(self, outage: op.PlannedOutage, field: str) -> Iterator[FieldFault]:
        """Everything wrong with an outage; one of an EVSE that is not known would never apply."""
        yield from codec.outage_faults(outage, field)
        district = self._inventory.district
        if outage.evse_id and outage.evse_id not in district.row:
            yield FieldFault(f"{field}.evse_id", f"{outage.evse_id} is not known")
        if outage.station_id and outage.station_id not in district.station_row:
            yield FieldFault(f"{field}.station_id", f"{outage.station_id} is not known")

    async def PutRoads(  # noqa: N802 - the contract
        self, request: op.PutRoadsRequest, context: Context
    ) -> op.PutRoadsResponse:
        """Adds edges to the road graph, or replaces it."""
        good, errors = codec.sort_entries(request.edges, codec.road_faults, "edges")
        if good or request.replace:
            await self.lists.put_roads([codec.to_road(edge) for edge in good], request.replace)
        return op.PutRoadsResponse(
            accepted_count=len(good), rejected_count=len(errors), errors=errors
        )
