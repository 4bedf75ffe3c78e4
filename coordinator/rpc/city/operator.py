"""`OperatorService` of a city: its districts, and what is done in all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from coordinator.rpc.city.claiming import Claiming
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.link import DistrictLink
from coordinator.rpc.city.moving import Mover
from coordinator.rpc.city.people import CityPeople
from coordinator.rpc.city.trips import Trips
from coordinator.rpc.server import Context
from pilewise.v1 import operator_service_pb2 as op


class CityOperator(CityPeople):
    """The part of the service that a city answers; the rest is asked of a district."""

    def __init__(
        self,
        directory: Directory,
        trips: Trips,
        claiming: Claiming,
        mover: Mover,
        link_s: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._trips = trips
        self._claiming = claiming
        self._mover = mover
        self._link_s = link_s

    async def ListDistricts(  # noqa: N802 - the contract
        self, request: op.ListDistrictsRequest, context: Context
    ) -> op.ListDistrictsResponse:
        """Each district: whether it is asked, what it told last, how it answers."""
        return self.districts()

    def districts(self) -> op.ListDistrictsResponse:
        """The same, for the page."""
        promises = Counter(trip.district for trip in self._trips.open())
        states = [self._state(link, promises) for link in self._directory.links.values()]
        return op.ListDistrictsResponse(districts=states, moved_count=self._mover.moved)

    def _state(self, link: DistrictLink, promises: Counter[str]) -> op.DistrictState:
        state = op.DistrictState(
            district_id=link.name,
            address=link.address,
            up=link.up,
            why=link.state,
            answered_count=link.answered,
            failed_count=link.failed,
            withheld_count=link.withheld,
            promise_count=promises[link.name],
            unsettled_count=self._claiming.unsettled[link.name],
        )
        if link.summary is not None:
            state.summary.CopyFrom(link.summary)
            state.age_s = max(self._link_s() - link.heard_s, 0.0)
        return state
