"""The doctor looks whether a pile's numbers make sense as its profile says."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_device import golden_vector, placed, unit_device
from pymodbus.server import ModbusTcpServer

from edge_agent.commands.check_words import check_words
from edge_agent.commands.finding import Finding, Level
from edge_agent.config_file import load_config

CONFIG = """\
[agent]
id = "GW-1"
coordinator = "127.0.0.1:50051"
data_dir = "data"
[[pile]]
uid = "S-01"
profile = "schneider-evlink-pro-ac"
host = "127.0.0.1"
port = {port}
"""
VOLTAGES = (3027, 3029, 3031, 3109)


async def findings(folder: Path, words: dict[tuple[int, int], int]) -> list[Finding]:
    server = ModbusTcpServer([unit_device(255, words, [])], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        port = int(server.transport.sockets[0].getsockname()[1])
        path = folder / "agent.toml"
        path.write_text(CONFIG.format(port=port))
        return await check_words(load_config(path))
    finally:
        await server.shutdown()


@pytest.mark.slow
async def test_E7_doctor_finds_swapped_words(tmp_path: Path) -> None:
    """High word first where the profile says low: an error that names the pile and the way out."""
    words = {(f, a): w for (_, f, a), w in placed(golden_vector("schneider-evlink-pro-ac")).items()}
    turned = dict(words)
    for first in VOLTAGES:
        turned[3, first], turned[3, first + 1] = words[3, first + 1], words[3, first]

    (well,) = await findings(tmp_path, words)
    (found,) = await findings(tmp_path, turned)

    assert (well.check, well.level) == ("word_order", Level.OK)
    assert "voltage_l1 230 V" in well.text
    assert (found.check, found.level) == ("word_order", Level.ERROR)
    assert found.text.startswith("S-01: ")
    assert "--profile schneider-evlink-pro-ac" in found.hint
    assert "word_order" in found.hint


@pytest.mark.slow
async def test_doctor_doubts_a_profile_that_does_not_fit(tmp_path: Path) -> None:
    """A device whose state and voltages mean nothing to the profile is a warning."""
    words = {(3, 150): 77, (3, 3028): 0x4500, (3, 3030): 0x4500, (3, 3032): 0x4500}

    (found,) = await findings(tmp_path, words)

    assert (found.check, found.level) == ("profile", Level.WARNING)
    assert "may be the wrong profile" in found.text
