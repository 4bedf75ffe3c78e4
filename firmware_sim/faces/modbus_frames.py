"""Answers as bytes, whole or spoiled as a wire fault asks; the registers are not its business.

Only frames are made here; which fault is present, the device says.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pymodbus.framer import FramerBase, FramerRTU
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsResponse,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsResponse,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from firmware_sim.core.wire import WireFault

READS = {
    1: ReadCoilsResponse,
    2: ReadDiscreteInputsResponse,
    3: ReadHoldingRegistersResponse,
    4: ReadInputRegistersResponse,
}
_WRITES = {
    5: WriteSingleCoilResponse,
    6: WriteSingleRegisterResponse,
    15: WriteMultipleCoilsResponse,
    16: WriteMultipleRegistersResponse,
}
_BIT_READS = (1, 2)
# What a confused device puts in place of the function it was asked for.
_OTHER_FUNCTION = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15}
BIT_WRITES = (5, 15)


def answer_read(request: ModbusPDU, words: Sequence[int]) -> ModbusPDU:
    """The answer that carries these registers or bits."""
    kind = READS[request.function_code]
    if request.function_code in _BIT_READS:
        return addressed(kind(bits=[bool(word) for word in words]), request)
    return addressed(kind(registers=list(words)), request)


def answer_write(request: ModbusPDU) -> ModbusPDU:
    """The answer that says that all was written."""
    kind = _WRITES[request.function_code]
    return addressed(
        kind(
            address=request.address,
            count=request.count,
            registers=request.registers,
            bits=request.bits,
        ),
        request,
    )


def refusal(request: ModbusPDU, code: int) -> ModbusPDU:
    """The answer that is an exception."""
    return addressed(ExceptionResponse(request.function_code, code), request)


def addressed(answer: ModbusPDU, request: ModbusPDU) -> ModbusPDU:
    """The answer with the unit and the number of its request."""
    answer.dev_id = request.dev_id
    answer.transaction_id = request.transaction_id
    return answer


def frame(framer: FramerBase, answer: ModbusPDU, fault: WireFault | None) -> bytes:
    """The bytes of an answer, spoiled as the fault asks; the check sum fits its bytes.

    RTU frames carry no number, so `wrong_transaction` leaves them whole.
    """
    kind = fault.kind if fault is not None else ""
    if fault is not None and kind == "junk":
        return random.Random(fault.size).randbytes(fault.size)
    unit, number = answer.dev_id, answer.transaction_id
    if kind == "wrong_unit":
        unit = unit % 247 + 1
    if kind == "wrong_transaction":
        number = (number + 1) & 0xFFFF
    body = bytes((answer.function_code,)) + answer.encode()
    whole = framer.encode(_spoiled(body, kind), unit, number)
    if kind == "truncate":
        return whole[: len(whole) // 2]
    if kind == "bad_crc":
        # A TCP frame has no check sum; what marks it as Modbus is its protocol number.
        at = len(whole) - 1 if isinstance(framer, FramerRTU) else 3
        return whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :]
    return whole


def pieces(data: bytes, fault: WireFault | None) -> list[tuple[float, bytes]]:
    """The bytes of an answer as they go out: each piece with the pause before it, s."""
    if fault is None or not data:
        return [(0.0, data)]
    if fault.kind == "split":
        half = max(len(data) // 2, 1)
        return [(0.0, data[:half]), (fault.delay_s, data[half:])]
    if fault.kind == "drip":
        return [(fault.delay_s, data[at : at + 1]) for at in range(len(data))]
    return [(fault.delay_s if fault.kind == "delay" else 0.0, data)]


def _spoiled(body: bytes, kind: str) -> bytes:
    """Function code and data, with what the fault puts in their place."""
    function = body[0]
    if kind == "wrong_function":
        return bytes((_OTHER_FUNCTION.get(function, function ^ 0x01),)) + body[1:]
    if kind == "empty":
        return body[:1] + (b"\0" if function in READS else b"")
    if kind == "wrong_count":
        # A read says how many bytes follow; a write, how many registers were taken.
        at = 1 if function in READS else len(body) - 1
        return body[:at] + bytes(((body[at] + 2) & 0xFF,)) + body[at + 1 :]
    return body
