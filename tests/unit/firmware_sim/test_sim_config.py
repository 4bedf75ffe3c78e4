"""What a simulator's configuration may say, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.config import load_config
from firmware_sim.core.evse import Supply
from firmware_sim.errors import ConfigError

PILE = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\n'


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "sim.toml"
    path.write_text(text)
    return load_config(path)


def findings(tmp_path: Path, text: str) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return [(found.code, found.line, found.path) for found in caught.value.findings]


def test_whole_configuration_is_read(tmp_path: Path) -> None:
    """Every table of the format arrives where it belongs."""
    (tmp_path / "secret").write_text("s3cret\n")
    config = load(
        tmp_path,
        '[sim]\nbench = "127.0.0.1:0"\nseed = 7\ntick_s = 0.1\nmode = "stepped"\n'
        "[clock]\nepoch_at_ms = 1\nanchor_s = 2.5\nspeed = 60\n"
        '[mqtt]\nurl = "mqtt://127.0.0.1:1883"\nprefix = "site"\nrepublish_s = 2\n'
        "[ocpp]\nsample_s = 3\n"
        + PILE
        + "max_power_kw = 7\nbay_sensor = true\n[pile.ageing]\nscale_h = 100\n"
        '[[pile]]\npile_id = "B-01"\nface = "ocpp16"\nurl = "ws://127.0.0.1:9/B-01"\n'
        'max_power_kw = 60\nconnectors = 2\npassword_file = "secret"\n',
    )

    one, two = config.piles
    assert (config.sim.seed, config.clock.speed, config.mqtt.prefix) == (7, 60.0, "site")
    assert (one.spec.supply, one.spec.local_auth, one.ageing.scale_h) == (Supply.AC_1, True, 100)
    assert (two.spec.supply, two.spec.evse_count, two.spec.local_auth, two.password) == (
        Supply.DC,
        2,
        False,
        "s3cret",
    )


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """Unknown keys, wrong types, missing keys and duplicates come together, in file order."""
    told = findings(
        tmp_path,
        "[sim]\n"
        "sead = 7\n"
        'tick_s = "fast"\n' + PILE + "[[pile]]\n"
        'pile_id = "A-01"\n'
        'face = "modbus"\n'
        'model = "abb-terra-ac"\n'
        "[[pile]]\n"
        'face = "telex"\n',
    )

    assert told == [
        ("CFG-003", 2, "sim.sead"),
        ("CFG-005", 3, "sim.tick_s"),
        ("CFG-006", 9, "pile[1].pile_id"),
        ("CFG-004", 12, "pile[2]"),
        ("CFG-005", 13, "pile[2].face"),
    ]


def test_duplicate_pile_is_told_beside_its_other_mistakes(tmp_path: Path) -> None:
    """A pile that cannot be read is still compared with the others, first or second."""
    broken = '[[pile]]\npile_id = "A-01"\nface = "telex"\nmodle = "abb-terra-ac"\n'

    assert findings(tmp_path, PILE + broken) == [
        ("CFG-006", 6, "pile[1].pile_id"),
        ("CFG-005", 7, "pile[1].face"),
        ("CFG-003", 8, "pile[1].modle"),
    ]
    assert ("CFG-006", 6, "pile[1].pile_id") in findings(tmp_path, broken + PILE)


def test_pile_that_is_no_table_is_told_under_a_fast_clock(tmp_path: Path) -> None:
    """A list of numbers in place of piles is a mistake with a line, at any speed."""
    fast = "pile = [3]\n[clock]\nepoch_at_ms = 1\nanchor_s = 0.0\nspeed = 60\n"

    assert [found[0] for found in findings(tmp_path, fast)] == ["CFG-005"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[sim", "CFG-002"),
        ("[oven]\n", "CFG-003"),
        ('[sim]\nbench = "0.0.0.0:0"\n', "CFG-010"),
        ('[sim]\nbench = "127.0.0.1"\n', "CFG-012"),
        ('pile = "A"\n', "CFG-005"),
        (PILE + "connectors = 2\n", "CFG-117"),
        (PILE + 'supply = "dc"\n', "CFG-118"),
        (PILE + "max_power_kw = 50\n", "CFG-115"),
        (PILE + "max_power_kw = 0\n", "CFG-005"),
        (PILE + 'listen = "192.168.1.4:502"\n', "CFG-010"),
        (PILE + "bay_sensor = true\n", "CFG-121"),
        (PILE + "[pile.ageing]\nscale_h = 0\n", "CFG-005"),
        (PILE.replace("A-01", "A 01"), "CFG-005"),
        (PILE.replace("abb-terra-ac", "generic"), "CFG-116"),
        ('[[pile]]\npile_id = "B"\nface = "ocpp16"\nurl = "http://127.0.0.1/B"\n', "CFG-012"),
        ('[[pile]]\npile_id = "B"\nface = "ocpp16"\nurl = "ws://127.0.0.1:9/"\n', "CFG-012"),
        ('[mqtt]\nurl = "tcp://127.0.0.1"\n', "CFG-012"),
        (
            '[[pile]]\npile_id = "B"\nface = "ocpp16"\nurl = "ws://127.0.0.1:9/B"\n'
            'password_file = "nowhere"\n',
            "CFG-013",
        ),
        (
            "[clock]\nepoch_at_ms = 1\nanchor_s = 0.0\nspeed = 60\n"
            '[mqtt]\nurl = "mqtt://broker.example:1883"\n',
            "CFG-016",
        ),
    ],
)
def test_each_mistake_has_its_code(tmp_path: Path, text: str, code: str) -> None:
    """A mistake is refused under a stable code."""
    assert [found[0] for found in findings(tmp_path, text)] == [code]


def test_two_piles_on_one_port_are_told(tmp_path: Path) -> None:
    """The second pile that wants a port hears who has it."""
    listen = 'listen = "127.0.0.1:5020"\n'

    told = findings(tmp_path, PILE + listen + PILE.replace("A-01", "A-02") + listen)

    assert told == [("CFG-101", 10, "pile[1].listen")]


def test_mistake_reads_as_people_expect(tmp_path: Path) -> None:
    """Code, place and hint stand on lines of their own."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "[sim]\nsead = 7\n")

    text = str(caught.value)
    assert text.startswith('error[CFG-003]: unknown key "sead"\n  --> ')
    assert "sim.toml:2  sim.sead" in text
    assert text.endswith("hint: did you mean seed?")


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file is a configuration mistake like any other."""
    with pytest.raises(ConfigError, match="CFG-001"):
        load_config(tmp_path / "nowhere.toml")
