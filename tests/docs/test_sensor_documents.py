"""The payloads that docs/sensors.md shows are read, or refused, as it says."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edge_agent.sensors.payloads import KINDS, MAX_PAYLOAD_BYTES, parse

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "sensors.md").read_text()


def examples(language: str) -> list[tuple[str, str, bytes]]:
    """Place, kind and payload of each message in the blocks of a language."""
    found = []
    for block in re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            topic, _, payload = line.partition(" ")
            _, place, _, kind = topic.split("/")
            found.append((place, kind, payload.encode()))
    return found


@pytest.mark.parametrize(("place", "kind", "payload"), examples("mqtt"))
def test_documented_messages_are_read(place: str, kind: str, payload: bytes) -> None:
    """Each message of the document has a topic that is subscribed to and a payload that is read."""
    assert KINDS[kind][0] == place
    assert isinstance(parse(kind, payload), KINDS[kind][1])


@pytest.mark.parametrize(("place", "kind", "payload"), examples("mqttrefused"))
def test_messages_documented_as_refused_are_refused(place: str, kind: str, payload: bytes) -> None:
    """What the document calls refused raises."""
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        parse(kind, payload)


def test_every_kind_its_keys_and_its_interval_are_documented() -> None:
    """The table of topics names each kind with its keys and how often it is taken."""
    for kind, (place, schema, interval_s) in KINDS.items():
        row = next(line for line in TEXT.splitlines() if f"/{kind}` |" in line)
        assert f"<prefix>/{place}/" in row
        assert row.rstrip(" |").endswith(f"{interval_s:g} s")
        for field in msgspec.structs.fields(schema):
            assert field.name == "at_ms" or f"`{field.name}`" in row
    assert f"above {MAX_PAYLOAD_BYTES // 1024} KiB" in TEXT
