"""`DistrictService`: what a district knows of a driver, for the city; and none of it any more."""

from __future__ import annotations

from collections.abc import Callable

from coordinator.rpc.charging_codec import stamp
from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.privacy import Privacy
from coordinator.usecases.sessions import SessionBook
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import district_service_pb2_grpc

HISTORY_S = 30 * 86_400.0  # the days of a driver's history, domain time


class DistrictPeople(district_service_pb2_grpc.DistrictServiceServicer):
    """The part of the service that knows people; set `book`, `privacy` and `now_s`."""

    book: SessionBook
    privacy: Privacy
    now_s: Callable[[], float]

    async def GetUserHistory(  # noqa: N802 - the contract
        self, request: wire.GetUserHistoryRequest, context: Context
    ) -> wire.GetUserHistoryResponse:
        """Stations where the driver charged in the last 30 days: how often, and when last."""
        invalid(check_id(request.user_id, "user_id"))
        count: dict[str, int] = {}
        last_s: dict[str, float] = {}
        for session in self.book.of_user(request.user_id, self.now_s() - HISTORY_S):
            station = session.station_id
            count[station] = count.get(station, 0) + 1
            last_s[station] = max(last_s.get(station, 0.0), session.started_at_s)
        response = wire.GetUserHistoryResponse()
        for station in sorted(count):
            visits = response.visits.add(station_id=station, count=count[station])
            stamp(visits.last_at, last_s[station])
        return response

    async def EraseUser(  # noqa: N802 - the contract
        self, request: wire.DistrictServiceEraseUserRequest, context: Context
    ) -> wire.DistrictServiceEraseUserResponse:
        """How many rows were erased or blanked."""
        invalid(check_id(request.user_id, "user_id"))
        count = await self.privacy.erase(request.user_id)
        return wire.DistrictServiceEraseUserResponse(erased_count=count)
