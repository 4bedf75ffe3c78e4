"""Which car a driver's page speaks for: the one whose name is made of the page's own secret.

So no page can speak for a car that it did not begin with, nor take the place of a car that asks by
gRPC; a page of another site cannot send the secret. Nothing of it is kept here.
"""

from __future__ import annotations

import hashlib
import re

from starlette.requests import Request

from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.usecases.guide import Guidance
from coordinator.usecases.promises import Promise
from coordinator.web.gate import Refused

HEADER = "x-pilewise-driver"
PREFIX = "web-"
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,128}")


def vehicle_of(secret: str) -> str:
    """The pseudonym of a page's car.

    >>> vehicle_of("0123456789abcdef")
    'web-9f9f5111f7b2'
    """
    return PREFIX + hashlib.sha256(secret.encode()).hexdigest()[:12]


def let_in(unproved: bool) -> None:
    """Raises `Refused` where whoever asks as a car must prove it: the page has no proof."""
    if not unproved:
        hint = 'put "car" into identity.anonymous, or let the car ask by gRPC with its token'
        raise Refused(403, "WEB-009", "cars must prove here who they are; this page cannot", hint)


def caller(request: Request) -> str:
    """The car that a request speaks for, by its header; raises `FieldInvalid`."""
    return _vehicle(request.headers.get(HEADER, ""), HEADER)


def watcher(request: Request) -> str:
    """The same for a stream, which cannot send headers; raises `FieldInvalid`."""
    return _vehicle(request.query_params.get("driver", ""), "driver")


def _vehicle(secret: str, field: str) -> str:
    if not _SECRET.fullmatch(secret):
        raise FieldInvalid(FieldFault(field, "must match [A-Za-z0-9_-]{16,128}"))
    return vehicle_of(secret)


async def own_promise(guidance: Guidance, recommendation_id: str, vehicle_id: str) -> Promise:
    """This car's promise; that of another is as unknown as none. Raises `NotFound`."""
    promise = await guidance.find(recommendation_id)
    if promise.request.vehicle_id != vehicle_id:
        raise NotFound("recommendation", recommendation_id)
    return promise
