"""Answers as bytes, whole or spoiled as a wire fault asks; the registers are not its business.

Only frames are made here; which fault is present, the device says.
"""

from __future__ import annotations

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


def frame(framer: FramerBase, answer: ModbusPDU, fault: str) -> bytes:
    """The bytes of an answer, spoiled by the fault of that kind; the check sum fits its bytes.

    RTU frames carry no number, so `wrong_transaction` leaves them whole.
    """
    if fault == "wrong_unit":
        answer.dev_id = answer.dev_id % 247 + 1
    if fault == "wrong_transaction":
        answer.transaction_id = (answer.transaction_id + 1) & 0xFFFF
    whole = framer.buildFrame(answer)
    if fault == "truncate":
        return whole[: len(whole) // 2]
    if fault == "bad_crc":
        # A TCP frame has no check sum; what marks it as Modbus is its protocol number.
        at = len(whole) - 1 if isinstance(framer, FramerRTU) else 3
        return whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :]
    return whole
