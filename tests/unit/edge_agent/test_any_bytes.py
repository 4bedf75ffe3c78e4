"""Whatever comes in from piles and sensors: it is taken or refused, and nothing falls over."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from any_message import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.core.decoder import Decoder
from edge_agent.core.ocpp_frame import BrokenFrame, Frame, answer_to, inspect
from edge_agent.piles.modbus_wire import RtuWire, TcpWire, Wire, WireError, read_question
from edge_agent.profiles import load_profile, profile_names
from edge_agent.sensors import payloads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
MODBUS = [name for name in profile_names() if load_profile(name).state is not None]


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(sorted(payloads.KINDS)), st.binary(max_size=1100) | JSON)
def test_any_payload_is_a_word_or_refused(kind: str, told: Any) -> None:
    """What a sensor says is a word of its kind, or one of two errors that are expected."""
    payload = told if isinstance(told, bytes) else json.dumps(told).encode()
    try:
        word = payloads.parse(kind, payload)
    except (ValueError, msgspec.MsgspecError):
        return

    assert isinstance(word, payloads.KINDS[kind][1])


@pytest.mark.parametrize("levels", [900, 990, 1010, 1018])
def test_a_payload_of_nothing_but_brackets_is_refused(levels: int) -> None:
    """One message of 1 KiB that no parser can follow is refused like any other."""
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        payloads.parse("queue", b'{"a":' + b"[" * levels)


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=80) | JSON | st.lists(JSON, min_size=2, max_size=5))
def test_any_frame_is_sound_or_has_an_answer(told: Any) -> None:
    """A frame is understood, or answered by a CALLERROR in both versions' words, or left alone."""
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    frame = inspect(raw)
    if isinstance(frame, Frame):
        return
    for version in ("ocpp1.6", "ocpp2.0.1"):
        answer = answer_to(frame, version)
        assert answer is None or json.loads(answer)[0] == 4


@pytest.mark.parametrize("levels", [33, 500, 900, 3_000])
def test_a_frame_of_too_many_levels_is_broken(levels: int) -> None:
    """Whoever nests deeper than any message gets an error, before anybody walks down there."""
    tree = "[" * levels + "]" * levels
    frame = inspect(f'[2,"7","DataTransfer",{{"data":{tree}}}]'.encode())

    assert frame == BrokenFrame("-1", "nested too deeply")
    assert inspect(b'[2,"7","Heartbeat",{"customData":{"a":[[[[{}]]]]}}]') == Frame(
        2, "7", "Heartbeat"
    )


class Line:
    """A transport that takes everything."""

    def write(self, data: bytes) -> None:
        """Takes a question."""

    def abort(self) -> None:
        """Ends."""


@settings(max_examples=examples(60), deadline=None)
@given(st.booleans(), st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.booleans())
def test_any_answer_is_good_or_an_error(rtu: bool, pieces: list[bytes], headed: bool) -> None:
    """Whatever a device answers, in whatever pieces, ends the question or is waited on."""

    async def ask() -> bytes:
        wire: Wire = RtuWire() if rtu else TcpWire()
        wire.connection_made(Line())  # type: ignore[arg-type]
        asked = asyncio.create_task(wire.ask(read_question(1, 3, 0, 4), 0.01))
        await asyncio.sleep(0)
        head = b"\x01\x03\x08" if rtu else bytes.fromhex("00010000000b010308")
        for piece in [head, *pieces] if headed else pieces:
            wire.data_received(piece)
        return await asked

    try:
        answer = asyncio.run(ask())
    except WireError:
        return
    assert answer[0] in (3, 0x83)


@pytest.mark.parametrize("name", MODBUS)
@settings(max_examples=examples(12), deadline=None)
@given(data=st.data())
def test_any_words_give_readings(name: str, data: st.DataObject) -> None:
    """Registers may hold any pattern: each EVSE still gets a reading."""
    decoder = Decoder(load_profile(name), ["A*1"])
    words = data.draw(
        st.lists(
            st.sampled_from([0, 1, 0x7FC0, 0x7F80, 0xFF80, 0xFFFF, 0x8000]) | st.integers(0, 65535),
            min_size=(count := sum(span.count for span in decoder.each)),
            max_size=count,
        )
    )
    decoder.facts(words[: sum(span.count for span in decoder.once)] if decoder.once else [])
    (reading,) = decoder.readings(words)

    assert reading.evse_id == "A*1"
