"""How a raw frame is shown."""

from __future__ import annotations

import pytest

from coordinator.web.frames import _shown


@pytest.mark.parametrize(
    ("frame", "at_s", "direction", "text"),
    [
        (b"1500 > \x01\xb9\x00 \x06", 1.5, ">", "01 b9 00 20 06"),
        (b'2000 < [2,"7","Heartbeat",{}]', 2.0, "<", '[2,"7","Heartbeat",{}]'),
        (b"\xff\xfe", None, "", "ff fe"),
        (b"hello there you", None, "", "hello there you"),
    ],
)
def test_a_frame_is_shown_with_its_time_its_direction_and_its_payload(
    frame: bytes, at_s: float | None, direction: str, text: str
) -> None:
    """Registers stand as hexadecimal, OCPP as its text; a frame of another form is shown whole."""
    shown = _shown(frame)

    assert (shown["at_s"], shown["direction"], shown["text"]) == (at_s, direction, text)
    assert shown["cut"] is False
