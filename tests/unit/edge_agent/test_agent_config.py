"""Configuration files: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import Config
from edge_agent.config_file import load_config
from edge_agent.errors import ConfigError

HEAD = """\
[agent]
id = "CN*SZP*G0001"
coordinator = "127.0.0.1:50051"
data_dir = "data"
"""
PILE = """\
[[pile]]
uid = "A-01"
profile = "abb-terra-ac"
host = "127.0.0.1"
"""


def load(folder: Path, text: str) -> Config:
    path = folder / "agent.toml"
    path.write_text(text)
    return load_config(path)


def problems(folder: Path, text: str) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, text)
    return [(p.code, p.line, p.key) for p in refusal.value.problems]


def test_small_file_gets_its_defaults(tmp_path: Path) -> None:
    """A pile needs no more than id, profile and host; the profile gives the rest."""
    config = load(tmp_path, HEAD + PILE)

    pile = config.piles[0]
    assert pile.facts.evse_ids == ("A-01*1",)
    assert (pile.facts.maker, pile.facts.label) == ("ABB", "CN*SZP*G0001*P1")
    assert pile.facts.connectors[0].power_type == "AC_3_PHASE"
    assert config.data_dir == tmp_path / "data"


def test_data_lies_where_systemd_says_unless_the_file_names_a_folder(tmp_path: Path) -> None:
    """Without data_dir the state folder of the service is used."""
    path = tmp_path / "agent.toml"
    path.write_text(HEAD.replace('data_dir = "data"\n', "") + PILE)

    assert load_config(path).data_dir == Path("/var/lib/pilewise-agent")
    assert load_config(path, tmp_path / "state").data_dir == tmp_path / "state"


def test_K1_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """Unknown key, wrong type, duplicate id, unknown names: one run shows them all."""
    text = (
        HEAD
        + 'periods_s = 2\nheartbeat_s = "often"\n'
        + PILE
        + "port = 70000\n"
        + PILE
        + '[[pile.connector]]\nstandard = "GBT-DC"\nmax_power_kw = 120\n'
        + '[[pile]]\nuid = "B 1"\nprofile = "abb-tera-ac"\nhost = "127.0.0.1"\n'
        + '[[pile]]\nuid = "C-1"\nprofile = "ocpp16"\n[nonsense]\n'
    )

    assert problems(tmp_path, text) == [
        ("CFG-003", 5, "agent.periods_s"),
        ("CFG-005", 6, "agent.heartbeat_s"),
        ("CFG-005", 11, "pile[0].port"),
        ("CFG-006", 13, "pile[1].uid"),
        ("CFG-014", 17, "pile[1].connector[0].standard"),
        ("CFG-005", 20, "pile[2].uid"),
        ("CFG-007", 21, "pile[2].profile"),
        ("CFG-004", 23, "pile[3]"),
        ("CFG-009", 23, "pile[3]"),
        ("CFG-003", 26, "nonsense"),
    ]


def test_wrong_type_hides_no_other_mistake(tmp_path: Path) -> None:
    """A pile with a wrong type beside it, or in itself, is still checked for what it means."""
    wrong = (
        '[[pile]]\nuid = 7\nprofile = "abb-tera-ac"\nhost = "10.0.0.9"\nport = "x"\n'
        '[[pile.connector]]\nstandard = "GBT-DC"\nmax_power_kw = "many"\n'
    )
    text = HEAD + 'pile_subnets = ["192.168.1.0/24"]\n' + PILE + 'device_id = "x"\n' + wrong

    assert problems(tmp_path, text) == [
        ("CFG-005", 10, "pile[0].device_id"),
        ("CFG-005", 12, "pile[1].uid"),
        ("CFG-007", 13, "pile[1].profile"),
        ("CFG-010", 14, "pile[1].host"),
        ("CFG-005", 15, "pile[1].port"),
        ("CFG-014", 17, "pile[1].connector[0].standard"),
        ("CFG-005", 18, "pile[1].connector[0].max_power_kw"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + PILE.replace('"127.0.0.1"', "5"), ("CFG-005", 8, "pile[0].host")),
        (HEAD + PILE.replace('"abb-terra-ac"', "5"), ("CFG-005", 7, "pile[0].profile")),
        (HEAD.replace('"127.0.0.1:50051"', "5"), ("CFG-005", 3, "agent.coordinator")),
        (HEAD + "[ocpp]\nlisten = 5\n", ("CFG-005", 6, "ocpp.listen")),
        (
            HEAD + "pile_subnets = 5\n" + PILE.replace("127.0.0.1", "10.0.0.9"),
            ("CFG-005", 5, "agent.pile_subnets"),
        ),
        (
            HEAD + "[ocpp]\nlisten = 5\n"
            '[[pile]]\nuid = "A"\nprofile = "ocpp16"\n'
            '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n',
            ("CFG-005", 6, "ocpp.listen"),
        ),
        (
            HEAD + '[ocpp]\nlisten = "127.0.0.1:0"\n'
            '[[pile]]\nuid = "A"\nprofile = "ocpp16"\nconnector = 5\n',
            ("CFG-005", 10, "pile[0].connector"),
        ),
    ],
)
def test_wrong_type_is_told_once(tmp_path: Path, text: str, problem: tuple[str, int, str]) -> None:
    """What cannot be read brings no second complaint about what it would have meant."""
    assert problems(tmp_path, text) == [problem]


def test_messages_look_like_those_of_a_compiler(tmp_path: Path) -> None:
    """A message has its code, the place, a note and what to do."""
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, HEAD + PILE + '[[pile.connector]]\nstandard = "GBT-DC"\nmax_power_kw = 1\n')

    assert str(refusal.value) == (
        'error[CFG-014]: unknown connector standard "GBT-DC"\n'
        f"  --> {tmp_path / 'agent.toml'}:10  pile[0].connector[0].standard\n"
        "  = note: 42 OCPI names are accepted; the nearest is GBT_DC\n"
        '  hint: set standard = "GBT_DC"'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD.replace("127.0.0.1", "10.0.0.9"), ("CFG-010", 3, "agent.coordinator")),
        (HEAD.replace("127.0.0.1:50051", "here"), ("CFG-012", 3, "agent.coordinator")),
        (
            HEAD + PILE.replace('host = "127.0.0.1"', 'host = "192.168.1.4"'),
            ("CFG-010", 8, "pile[0].host"),
        ),
        (HEAD + '[ocpp]\nlisten = "0.0.0.0:9000"\n', ("CFG-010", 6, "ocpp.listen")),
        (HEAD + '[bay_sensors]\nmqtt = "mqtt://10.0.0.1"\n', ("CFG-010", 6, "bay_sensors.mqtt")),
        (HEAD + '[bay_sensors]\nmqtt = "http://x"\n', ("CFG-012", 6, "bay_sensors.mqtt")),
        (HEAD + PILE.replace('host = "127.0.0.1"\n', ""), ("CFG-004", 5, "pile[0].host")),
        (
            HEAD + PILE + "commissioned_at = 2026-01-01T00:00:00\n",
            ("CFG-005", 9, "pile[0].commissioned_at"),
        ),
        (
            HEAD + PILE + 2 * '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n',
            ("CFG-019", 5, "pile[0]"),
        ),
        ("x = [\n", ("CFG-002", 2, "")),
        (PILE, ("CFG-004", 1, "agent")),
        (HEAD + "pile = 3\n", ("CFG-003", 5, "agent.pile")),
    ],
)
def test_mistake_is_found(tmp_path: Path, text: str, problem: tuple[str, int, str]) -> None:
    """Each of these files has exactly this mistake."""
    assert problems(tmp_path, text) == [problem]


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is a configuration error like any other."""
    with pytest.raises(ConfigError, match="CFG-001"):
        load_config(tmp_path / "none.toml")


def test_named_subnet_lets_piles_in(tmp_path: Path) -> None:
    """A pile outside loopback is allowed where its network is named."""
    head = HEAD + 'pile_subnets = ["192.168.1.0/24"]\n'

    config = load(tmp_path, head + PILE.replace("127.0.0.1", "192.168.1.4"))

    assert config.piles[0].section.host == "192.168.1.4"


def test_open_port_needs_a_password_per_pile(tmp_path: Path) -> None:
    """OCPP outside loopback asks for Basic auth, whose file nobody else may read."""
    secret = tmp_path / "secret"
    secret.write_text("long-enough-password\n")
    secret.chmod(0o600)
    text = (
        HEAD
        + 'pile_subnets = ["10.0.0.0/8"]\n[ocpp]\nlisten = "10.0.0.1:9000"\n'
        + '[[pile]]\nuid = "A"\nprofile = "ocpp16"\n'
        + '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'
    )
    locked = text.replace('profile = "ocpp16"\n', 'profile = "ocpp16"\npassword_file = "secret"\n')

    assert problems(tmp_path, text) == [("CFG-010", 8, "pile[0]")]
    door = load(tmp_path, locked).piles[0].door
    assert door is not None
    assert (door.security_profile, door.keys) == (1, (b"long-enough-password",))
    secret.chmod(0o644)
    assert problems(tmp_path, locked)[0] == ("CFG-013", 11, "pile[0].password_file")


def test_speed_is_for_loopback_only(tmp_path: Path) -> None:
    """A domain clock that runs faster is refused with a coordinator elsewhere."""
    (tmp_path / "ca.pem").write_text("x")
    text = (
        HEAD.replace("127.0.0.1", "10.0.0.9")
        + '[tls]\nca_file = "ca.pem"\n[clock]\nepoch_at_ms = 0\nanchor_s = 0.0\nspeed = 60\n'
    )

    assert problems(tmp_path, text) == [("CFG-016", 10, "clock.speed")]
