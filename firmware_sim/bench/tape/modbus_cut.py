"""Cuts a stream of bytes into Modbus TCP frames; what is none is kept as it came.

What a frame says is nobody's business here.
"""

from __future__ import annotations

_HEADER = 6
# Unit and the longest message that the specification knows.
_MOST_LENGTH = 254


class FrameCutter:
    """One direction of one connection; with `whole` each piece that arrives is a frame (RTU)."""

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._rest = b""

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that are complete now.

        >>> cutter = FrameCutter()
        >>> cutter.cut(bytes.fromhex("000100000006010300"))
        []
        >>> [frame.hex() for frame in cutter.cut(bytes.fromhex("640001"))]
        ['000100000006010300640001']
        """
        if self._whole:
            return [data]
        self._rest += data
        frames = []
        while len(self._rest) >= _HEADER:
            protocol = int.from_bytes(self._rest[2:4], "big")
            length = int.from_bytes(self._rest[4:6], "big")
            if protocol != 0 or not 2 <= length <= _MOST_LENGTH:
                frames.append(self._rest)
                self._rest = b""
                break
            if len(self._rest) < _HEADER + length:
                break
            frames.append(self._rest[: _HEADER + length])
            self._rest = self._rest[_HEADER + length :]
        return frames
