"""Raw frames: kept only while asked for, within bounds, without secrets."""

from __future__ import annotations

import json

from edge_agent.core import frames
from edge_agent.core.frames import IN, OUT, FrameRing, masked

AUTHORIZE = b'[2,"7","StartTransaction",{"connectorId":1,"idTag":"04ABCDEF","meterStart":0}]'
AUTHORIZE_201 = b'[2,"7","Authorize",{"idToken":{"idToken":"04ABCDEF","type":"ISO14443"}}]'
PASSWORD = b'[2,"9","ChangeConfiguration",{"key":"AuthorizationKey","value":"6f70656e"}]'
PASSWORD_201 = (
    b'[2,"9","SetVariables",{"setVariableData":[{"attributeValue":"open sesame!",'
    b'"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]'
)


def test_ring_keeps_nothing_unless_asked() -> None:
    """Before `begin` and after `end` frames are forgotten; between they have time and direction."""
    ring = FrameRing(lambda: 17)
    ring.frame(OUT, b"\x01\x03")

    assert ring.begin()
    assert not ring.begin()
    ring.frame(OUT, b"\x01\x03")
    ring.frame(IN, b"[3]")
    kept = ring.end()
    ring.frame(IN, b"[4]")

    assert kept == ([b"17 > \x01\x03", b"17 < [3]"], 0)
    assert not ring.capturing
    assert ring.begin()
    assert ring.end() == ([], 0)


def test_ring_drops_the_oldest_beyond_its_bounds() -> None:
    """Count and bytes are bounded, and what did not fit is counted."""
    ring = FrameRing(lambda: 0)
    ring.begin()
    for number in range(frames.MAX_FRAMES + 5):
        ring.frame(IN, str(number).encode())
    many, lost_many = ring.end()
    ring.begin()
    # Each is cut to the longest frame, and its time and direction take room as well.
    fitting = frames.MAX_BYTES // (frames.MAX_FRAME_BYTES + len(b"0 < "))
    for _ in range(fitting + 2):
        ring.frame(IN, b"x" * (frames.MAX_FRAME_BYTES * 2))
    large, lost_large = ring.end()

    assert (len(many), lost_many, many[0]) == (frames.MAX_FRAMES, 5, b"0 < 5")
    assert (len(large), lost_large) == (fitting, 2)
    assert len(large[0]) == frames.MAX_FRAME_BYTES + len(b"0 < ")


def test_drivers_tokens_and_passwords_are_hashed() -> None:
    """Tokens of 1.6 and 2.0.1 and password settings leave no trace; the same token reads alike."""
    clean = [masked(frame) for frame in (AUTHORIZE, AUTHORIZE_201, PASSWORD, PASSWORD_201)]

    for frame in clean:
        assert b"sha256:" in frame
        for secret in (b"04ABCDEF", b"6f70656e", b"sesame"):
            assert secret not in frame
    one = json.loads(clean[0])[3]["idTag"]
    other = json.loads(clean[1])[3]["idToken"]["idToken"]
    assert one == other
    assert json.loads(clean[0])[3]["connectorId"] == 1


def test_frame_that_is_no_json_is_not_shown() -> None:
    """A broken OCPP frame may hold a token anywhere: only its size and hash are kept."""
    said = masked(b'[2,"7","Authorize",{"idTag":"04ABCDEF"')

    assert b"04ABCDEF" not in said
    assert said.startswith(b"unreadable frame of 38 bytes")
