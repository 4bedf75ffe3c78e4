"""The parity of a serial line is the one that is written, down to what the kernel is asked for.

Pseudo-terminals have no wire and refuse parity, so the question is watched, not the line.
"""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from typing import Any

import pytest
from serial_pair import need_pyserial

from edge_agent.piles.modbus_address import SerialAddress

BITS = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}


@pytest.fixture
def line() -> Iterator[str]:
    """The path of a serial line."""
    need_pyserial()
    near, far = os.openpty()
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@pytest.mark.parametrize(("parity", "stop_bits"), [("N", 1), ("E", 1), ("O", 1), ("N", 2)])
async def test_line_is_opened_with_its_parity_and_stop_bits(
    line: str, parity: str, stop_bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8E1, 8O1 and 8N2 reach the driver as such."""
    flags: list[int] = []
    real = termios.tcsetattr

    def watched(handle: int, when: int, attributes: list[Any]) -> None:
        flags.append(attributes[2])
        cflag = attributes[2] & ~(termios.PARENB | termios.PARODD)
        real(handle, when, [*attributes[:2], cflag, *attributes[3:]])

    monkeypatch.setattr(termios, "tcsetattr", watched)

    wire = await SerialAddress(line, 9600, 8, parity, stop_bits).open()
    wire.close()

    assert flags
    assert flags[-1] & (termios.PARENB | termios.PARODD) == BITS[parity]
    assert bool(flags[-1] & termios.CSTOPB) == (stop_bits == 2)
    assert flags[-1] & termios.CSIZE == termios.CS8
