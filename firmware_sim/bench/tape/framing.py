"""The two ways in which a Modbus message stands in bytes: with a header, or with a check sum.

What a message says is nobody's business here.
"""

from __future__ import annotations

from typing import Protocol


class Framing(Protocol):
    """Takes frames apart into (number of the question, unit and message) and joins them again."""

    def split(self, frame: bytes) -> tuple[bytes, bytes] | None:
        """Number and body; None for what is no frame."""

    def join(self, number: bytes, body: bytes) -> bytes:
        """The frame of a body."""


class TcpFraming:
    """Modbus TCP: six bytes of header with a number that question and answer share."""

    def split(self, frame: bytes) -> tuple[bytes, bytes] | None:
        """Number and body; None for what is no frame."""
        if len(frame) < 8 or frame[2:4] != b"\0\0":
            return None
        return frame[:2], frame[6:]

    def join(self, number: bytes, body: bytes) -> bytes:
        """The frame of a body."""
        return number + b"\0\0" + len(body).to_bytes(2, "big") + body


class RtuFraming:
    """Modbus RTU: no number, two bytes of check sum behind.

    >>> RtuFraming().join(b"", bytes.fromhex("01030064000a")).hex()
    '01030064000a8412'
    """

    def split(self, frame: bytes) -> tuple[bytes, bytes] | None:
        """Number and body; None for what is no frame."""
        body = frame[:-2]
        return (b"", body) if len(frame) >= 4 and self.join(b"", body) == frame else None

    def join(self, number: bytes, body: bytes) -> bytes:
        """The frame of a body."""
        return body + _crc(body).to_bytes(2, "little")


def _crc(data: bytes) -> int:
    """CRC-16 of Modbus: polynomial 0xA001, beginning with all ones."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
