"""Forgets a driver in every district of a city, or says which have not yet."""

from __future__ import annotations

import asyncio

from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.trips import Trips
from coordinator.rpc.noun_codec import check_id, invalid
from coordinator.rpc.server import Context
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

ERASE_S = 120.0  # that a district has: it searches its files to the last byte


class CityPeople(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of a city's service that knows people."""

    _directory: Directory
    _trips: Trips

    async def EraseUser(  # noqa: N802 - the contract
        self, request: op.OperatorServiceEraseUserRequest, context: Context
    ) -> op.OperatorServiceEraseUserResponse:
        """How many rows were erased or blanked in all districts.

        All are asked, whatever one of them says. Raises `Relayed` if one refuses, as while a car is
        charging, and `DistrictAway` naming those that did not answer; it may be asked again.
        """
        invalid(check_id(request.user_id, "user_id"))
        self._trips.forget(request.user_id)
        links = list(self._directory.links.values())
        erase = wire.DistrictServiceEraseUserRequest(user_id=request.user_id)
        asked = (link.ask("EraseUser", erase, ERASE_S) for link in links)
        told = await asyncio.gather(*asked, return_exceptions=True)
        erased, away = 0, []
        for link, answer in zip(links, told, strict=True):
            if isinstance(answer, wire.DistrictServiceEraseUserResponse):
                erased += answer.erased_count
            elif isinstance(answer, DistrictAway):
                away.append(link.name)
        for answer in told:
            if isinstance(answer, BaseException) and not isinstance(answer, DistrictAway):
                raise answer
        if away:
            raise DistrictAway(", ".join(away), "so there the person is not erased yet")
        return op.OperatorServiceEraseUserResponse(erased_count=erased)
