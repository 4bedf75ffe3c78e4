"""Whether a message keeps to the limits of size: bytes, texts, lists, and what nobody understands.

A message whose bytes are too few to break a limit is not walked through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message

from coordinator.errors import FieldFault
from coordinator.rpc.limits import BY_RECORD, LONGER, Limits
from coordinator.usecases.refusals import MessageTooLarge, MessageUnfit


@dataclass(frozen=True, slots=True)
class Unfit:
    """Stands for bytes that were not taken as a message, and says why."""

    why: MessageUnfit | MessageTooLarge


def guarded_parse(
    parse: Callable[[bytes], Any], service: str, limits: Limits
) -> Callable[[bytes], Any]:
    """The parser, or what stands for bytes that it must not be given or cannot read."""
    owner = getattr(parse, "__self__", None)
    name = getattr(owner, "__name__", "message")
    whole = service in BY_RECORD
    most = limits.message_bytes if whole else limits.car_message_bytes
    harmless = limits.text_chars

    def parse_or_say(raw: bytes) -> Any:
        if len(raw) > most:
            return Unfit(MessageTooLarge(name, len(raw), most))
        try:
            message = parse(raw)
        except DecodeError:
            return Unfit(MessageUnfit(FieldFault("message", f"is not a valid {name}")))
        if len(raw) <= harmless:
            return message
        faults = faults_of(message, len(raw), limits, deep=not whole)
        return Unfit(MessageUnfit(*faults)) if faults else message

    return parse_or_say


def faults_of(message: Message, size: int, limits: Limits, *, deep: bool) -> list[FieldFault]:
    """What breaks a limit in a message that was parsed from so many bytes; the first few."""
    faults: list[FieldFault] = []
    if size > limits.waste_bytes:
        message.DiscardUnknownFields()
        waste = size - message.ByteSize()
        if waste > limits.waste_bytes and 2 * waste > size:
            text = f"has {waste} bytes that mean nothing here, at most {limits.waste_bytes}"
            return [FieldFault("message", text)]
    if deep:
        _walk(message, "", limits, faults)
    return faults


def _walk(message: Message, prefix: str, limits: Limits, faults: list[FieldFault]) -> None:
    for field, value in message.ListFields():
        if len(faults) >= 8:
            return
        where = f"{prefix}{field.name}"
        kind = type(value)
        if kind is str:
            _check_text(value, where, limits, faults)
        elif isinstance(value, Message):
            _walk(value, f"{where}.", limits, faults)
        elif kind not in (int, float, bool, bytes):
            _check_list(field, value, where, limits, faults)


def _check_text(text: str, where: str, limits: Limits, faults: list[FieldFault]) -> None:
    if len(text) > limits.text_chars:
        faults.append(FieldFault(where, f"is longer than {limits.text_chars} characters"))


def _check_list(
    field: Any, entries: Any, where: str, limits: Limits, faults: list[FieldFault]
) -> None:
    most = LONGER.get(field.full_name, limits.list_entries)
    if len(entries) > most:
        faults.append(FieldFault(where, f"has more than {most} entries"))
        return
    for number, entry in enumerate(entries):
        if isinstance(entry, Message):
            _walk(entry, f"{where}[{number}].", limits, faults)
        elif type(entry) is str:
            _check_text(entry, f"{where}[{number}]", limits, faults)
