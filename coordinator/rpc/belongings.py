"""Whether what a request names is the caller's own: a car, its driver, an answer to it.

An answer of another's is told as one that does not exist, so that nobody learns which ids do. Which
methods ask for this is in `access.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

from coordinator.core.caller import Caller
from coordinator.denials import Forbidden
from coordinator.errors import FieldFault, FieldInvalid, NotFound


class Owners(Protocol):
    """Whose an answer is, and which driver a car has by the operator's records."""

    async def car_of(self, recommendation_id: str) -> str:
        """The car that was answered; empty if there is no such answer."""
        ...

    async def car_that_asked(self, request_id: str) -> str:
        """The car whose request this was; empty if it is not known."""
        ...

    def driver_of(self, vehicle_id: str) -> str:
        """The driver of a car by the operator's records; empty if they say nothing."""
        ...


class Belongings:
    """Compares requests with callers."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    def own_car(self, caller: Caller, request: Any, prefix: str) -> None:
        """Raises `Forbidden` unless the request's car, and the driver it names, are the caller's.

        A driver who was signed and is not named is filled in.
        """
        vehicle_id, user_id = request.vehicle_id, request.user_id
        if not vehicle_id:
            raise FieldInvalid(FieldFault(f"{prefix}vehicle_id", "is needed"))
        if not caller.drives(vehicle_id):
            hint = "ask for the car that the token names"
            raise Forbidden(f"{prefix}vehicle_id: not a car of this caller", hint)
        if not user_id:
            if caller.user_id and vehicle_id == caller.vehicle_id:
                request.user_id = caller.user_id
        elif not caller.speaks_for(user_id) and self._owners.driver_of(vehicle_id) != user_id:
            hint = "leave it empty, or name the driver whom the token or the operator names"
            raise Forbidden(f"{prefix}user_id: not the driver of this car", hint)

    async def own_answer(self, caller: Caller, request: Any) -> None:
        """Raises `NotFound` if the answer is that of a car that is not the caller's.

        What does not exist, or is not named, is left to who answers.
        """
        if caller.anonymous:
            return
        name = request.recommendation_id
        if name:
            _own(caller, "recommendation", name, await self._owners.car_of(name))
        elif name := getattr(request, "request_id", ""):
            _own(caller, "request", name, await self._owners.car_that_asked(name))


def _own(caller: Caller, what: str, name: str, vehicle_id: str) -> None:
    if vehicle_id and not caller.drives(vehicle_id):
        raise NotFound(what, name)
