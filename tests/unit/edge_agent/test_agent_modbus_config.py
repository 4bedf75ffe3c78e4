"""How Modbus piles are reached: transports, lines that are shared, units that overlap."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config_file import load_config
from edge_agent.config_modbus import Place, line_of, reach
from edge_agent.core.profile_access import SerialLine
from edge_agent.errors import ConfigError

HEAD = """[agent]
id = "G1"
coordinator = "127.0.0.1:50051"
data_dir = "data"
"""
BY_ID = "/dev/serial/by-id/usb-FTDI_A1-if00-port0"


def pile(uid: str, keys: str) -> str:
    return f'[[pile]]\nuid = "{uid}"\nprofile = "abb-terra-ac"\n{keys}\n'


def write(folder: Path, *piles: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(HEAD + "".join(piles))
    return path


def problems(folder: Path, *piles: str) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as refusal:
        load_config(write(folder, *piles))
    return [(p.code, p.line, p.key) for p in refusal.value.problems]


def test_pile_on_a_serial_line_needs_no_more_than_the_line(tmp_path: Path) -> None:
    """The profile gives the line's settings; the file may say otherwise; nothing is written."""
    pytest.importorskip("serial", reason="hint: pip install 'pilewise[serial]'")
    config = load_config(
        write(
            tmp_path,
            pile("A", f'serial_line = "{BY_ID}"'),
            pile("B", f'serial_line = "{BY_ID}2"\nbaud = 57600\nstop_bits = 2\ndevice_id = 7'),
        )
    )

    first, second = config.piles
    assert reach(first.section, first.profile, 1) == {0: (Place("modbus-rtu", BY_ID), 1)}
    assert reach(second.section, second.profile, 1) == {0: (Place("modbus-rtu", BY_ID + "2"), 7)}
    assert line_of(second.section, second.profile) == SerialLine(57600, 8, "N", 2)
    assert not first.section.writes


def test_K1_mistakes_in_reaching_piles_are_told_at_once(tmp_path: Path) -> None:
    """Wrong transport, missing or foreign keys, no path: one run shows them all."""
    pytest.importorskip("serial", reason="hint: pip install 'pilewise[serial]'")

    assert problems(
        tmp_path,
        pile("A", 'transport = "modbus-rtu"'),
        pile("B", 'host = "127.0.0.1"\nbaud = 9600'),
        pile("C", f'serial_line = "{BY_ID}"\nhost = "127.0.0.1"'),
        pile("D", 'serial_line = "ttyUSB0"'),
        pile("E", 'host = "127.0.0.2"\ntransport = "modbus-ascii"'),
        pile("F", f'serial_line = "{BY_ID}"\nparity = "X"'),
    ) == [
        ("CFG-004", 5, "pile[0]"),
        ("CFG-021", 13, "pile[1].baud"),
        ("CFG-021", 18, "pile[2].host"),
        ("CFG-012", 22, "pile[3].serial_line"),
        ("CFG-005", 27, "pile[4].transport"),
        ("CFG-023", 28, "pile[5]"),
        ("CFG-005", 32, "pile[5].parity"),
    ]


def test_transport_that_a_model_does_not_have_is_refused(tmp_path: Path) -> None:
    """A Hypercharger has no serial port; a wallbox that has one may stand behind a converter."""
    converter = pile("A", 'host = "127.0.0.1"\ntransport = "modbus-rtu-over-tcp"')
    dc = converter.replace("abb-terra-ac", "alpitronic-hypercharger").replace('"A"', '"B"')

    assert problems(tmp_path, converter, dc + "port = 503\n") == [
        ("CFG-021", 14, "pile[1].transport")
    ]


def test_K1_piles_on_one_line_with_other_settings_are_refused(tmp_path: Path) -> None:
    """A line has one speed; the mistake names both piles' lines in the file."""
    pytest.importorskip("serial", reason="hint: pip install 'pilewise[serial]'")
    line = f'serial_line = "{BY_ID}"\n'

    with pytest.raises(ConfigError) as refusal:
        load_config(
            write(tmp_path, pile("A", line), pile("B", line + "baud = 9600\ndevice_id = 2"))
        )

    [problem] = refusal.value.problems
    assert (problem.code, problem.line) == ("CFG-020", 10)
    assert "19200 8N1" in problem.message
    assert "9600 8N1" in problem.message
    assert problem.note == "first on line 5"


@pytest.mark.parametrize("second", ["", "device_id = 1", 'transport = "modbus-tcp"'])
def test_K1_overlapping_units_are_refused(tmp_path: Path, second: str) -> None:
    """Two piles at one address with one unit id would be the same registers read twice."""
    host = 'host = "127.0.0.1"\n'

    assert problems(tmp_path, pile("A", host), pile("B", host + second)) == [
        ("CFG-023", 10, "pile[1]")
    ]


def test_units_on_a_line_are_those_of_the_standard(tmp_path: Path) -> None:
    """Unit 0 is everybody on a line, and 255 nobody."""
    pytest.importorskip("serial", reason="hint: pip install 'pilewise[serial]'")
    line = f'serial_line = "{BY_ID}"\n'

    assert problems(
        tmp_path, pile("A", line + "device_id = 0"), pile("B", line + "device_id = 255")
    ) == [("CFG-012", 5, "pile[0]"), ("CFG-012", 10, "pile[1]")]


def test_one_port_cannot_speak_two_framings(tmp_path: Path) -> None:
    """A converter either translates or carries frames, for all piles behind it."""
    host = 'host = "127.0.0.1"\n'
    carried = host + 'transport = "modbus-rtu-over-tcp"\ndevice_id = 2'

    assert problems(tmp_path, pile("A", host), pile("B", carried)) == [("CFG-020", 10, "pile[1]")]
