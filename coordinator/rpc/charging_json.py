"""`ChargingService` in the JSON form of its contract, for those who have no gRPC.

Nothing is decided here: each call is the servicer's own. Who may call is decided in `web/`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from coordinator.errors import FieldFault, FieldInvalid, Overloaded
from coordinator.rpc.charging import ChargingServicer
from coordinator.rpc.charging_codec import reminder_of
from coordinator.rpc.limits import LIMITS
from coordinator.rpc.server import Context
from coordinator.usecases.answer import Answer, Reminded
from pilewise.v1 import charging_service_pb2 as wire

UNDER_WAY = 64  # calls at once; more are told to come back
DEPTH = 12  # of messages in messages; the contract has six

CALLS: Final[Mapping[str, type[Message]]] = MappingProxyType(
    {
        "Recommend": wire.RecommendRequest,
        "Confirm": wire.ConfirmRequest,
        "UpdateProgress": wire.UpdateProgressRequest,
        "Release": wire.ReleaseRequest,
        "ReportOutcome": wire.ReportOutcomeRequest,
    }
)
# The unary calls of the servicer need none.
NO_CONTEXT = cast(Context, None)
_PARTS = re.compile(r"Failed to parse (\w+) field: ")
_PLACE = re.compile(r"\s*(?: at \"?\w+Request[\w.\[\]]*\"?)?[.\s]*$")


class ChargingJson:
    """The unary calls by name, objects in and out; field names are those of the contract."""

    def __init__(self, servicer: ChargingServicer) -> None:
        self._servicer = servicer
        self._under_way = 0

    def fields(self, name: str) -> frozenset[str]:
        """The fields of the request of one of `CALLS`."""
        return frozenset(CALLS[name].DESCRIPTOR.fields_by_name)

    async def call(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one of `CALLS`.

        Raises `FieldInvalid` for an object that is no such message, and what the servicer raises;
        `TimeoutError` without an answer in time, as a call by gRPC would.
        """
        request = _read(body, CALLS[name]())
        if self._under_way >= UNDER_WAY:
            raise Overloaded("calls of drivers", self._under_way, UNDER_WAY)
        self._under_way += 1
        try:
            async with asyncio.timeout(LIMITS.unary_s):
                return shown(await getattr(self._servicer, name)(request, NO_CONTEXT))
        finally:
            self._under_way -= 1

    def promise(self, answer: Answer) -> dict[str, Any]:
        """A promise as it stands."""
        return shown(self._servicer.codec.promise(answer))

    def reminder(self, reminder: Reminded) -> dict[str, Any]:
        """A reminder."""
        return shown(reminder_of(reminder))


def shown(message: Message) -> dict[str, Any]:
    """A message as an object; numbers and lists that are empty are told, absent ones are not."""
    told: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return told


def _read(body: dict[str, Any], message: Message) -> Message:
    """The object as a message; raises `FieldInvalid` naming the field."""
    try:
        ParseDict(body, message, max_recursion_depth=DEPTH)
    except ParseError as error:
        raise FieldInvalid(_fault(str(error))) from error
    return message


def _fault(text: str) -> FieldFault:
    """The fault behind the words of a parser, which names a field within a field.

    >>> _fault("Failed to parse vehicle field: Failed to parse battery_kwh field: "
    ...        "Couldn't parse float: x at RecommendRequest.vehicle.battery_kwh..")
    FieldFault(field='vehicle.battery_kwh', message="Couldn't parse float: x")
    """
    unknown = re.search(r'has no field named "(.{1,64}?)"', text)
    where = _PARTS.findall(text)
    rest = _PARTS.sub("", text)
    if unknown is not None:
        return FieldFault(".".join([*where, unknown[1]]), "is unknown")
    return FieldFault(".".join(where) or "body", _PLACE.sub("", rest)[:200])
