"""Whose an answer is, and which driver the operator's records give a car.

Who may touch what is decided where calls come in; here it is only looked up.
"""

from __future__ import annotations

from coordinator.core.district import District
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promises


class Owners:
    """Looks into promises first, then into what is stored."""

    def __init__(self, district: District, promises: Promises, claims: ClaimStore) -> None:
        self._district = district
        self._promises = promises
        self._claims = claims

    async def car_of(self, recommendation_id: str) -> str:
        """The car that was answered; empty if there is no such answer."""
        promise = self._promises.get(recommendation_id)
        if promise is not None:
            return promise.answer.vehicle_id
        kept = await self._claims.answer(recommendation_id)
        return "" if kept is None else kept.vehicle_id

    async def car_that_asked(self, request_id: str) -> str:
        """The car whose request this was; empty if it is not known."""
        kept = await self._claims.answer_to(request_id)
        return "" if kept is None else kept.vehicle_id

    def driver_of(self, vehicle_id: str) -> str:
        """The driver of a car by the operator's records; empty if they say nothing."""
        user = self._district.drivers.get(vehicle_id)
        return "" if user is None else user.user_id
