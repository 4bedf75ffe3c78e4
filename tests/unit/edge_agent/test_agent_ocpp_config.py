"""The `[ocpp]` section: security profiles, secrets, addresses, and the URL to type into a pile."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import Config
from edge_agent.config_file import load_config
from edge_agent.config_ocpp import dial_url
from edge_agent.errors import ConfigError

HEAD = """\
[agent]
id = "G1"
coordinator = "127.0.0.1:50051"
data_dir = "data"
pile_subnets = ["10.0.0.0/8"]
"""
PLUG = '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'
FILES = 'cert_file = "cert"\nkey_file = "key"\nca_file = "ca"\n'


def pile(uid: str, extra: str = "") -> str:
    return f'[[pile]]\nuid = "{uid}"\nprofile = "ocpp16"\n{extra}{PLUG}'


def load(folder: Path, ocpp: str, *piles: str) -> Config:
    for name in ("cert", "key", "ca", "pw", "up"):
        path = folder / name
        if not path.exists():
            path.write_text("0123456789abcdef\n")
            path.chmod(0o600)
    path = folder / "agent.toml"
    path.write_text(HEAD + f"[ocpp]\n{ocpp}\n" + "".join(piles))
    return load_config(path)


def codes(folder: Path, ocpp: str, *piles: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, ocpp, *piles)
    return [(p.code, p.key) for p in refusal.value.problems]


LOOPBACK = 'listen = "127.0.0.1:9000"\n'
PASSWORD = 'password_file = "pw"\n'


def test_profile_goes_up_per_pile_and_never_down(tmp_path: Path) -> None:
    """The profile of [ocpp] is the floor; a pile may ask for more."""
    ocpp = LOOPBACK + FILES + 'listen_tls = "127.0.0.1:9001"\n'
    raised = load(tmp_path, ocpp, pile("A"), pile("B", "security_profile = 3\n"))
    lowered = codes(tmp_path, ocpp + "security_profile = 2\n", pile("A", "security_profile = 1\n"))

    levels = [found.door.security_profile for found in raised.piles if found.door]
    assert levels == [0, 3]
    assert ("CFG-031", "pile[0].security_profile") in lowered


def test_password_alone_means_profile_1(tmp_path: Path) -> None:
    """A pile with a password file and no word about profiles asks for Basic auth."""
    config = load(tmp_path, LOOPBACK, pile("A", PASSWORD))

    assert config.piles[0].door is not None
    assert config.piles[0].door.security_profile == 1


def test_what_a_profile_needs_is_named(tmp_path: Path) -> None:
    """Profile 3 without files names each of them; profile 2 without a password names that."""
    nothing = codes(tmp_path, LOOPBACK + "security_profile = 3\n", pile("A"))
    no_password = codes(tmp_path, LOOPBACK + FILES + "security_profile = 2\n", pile("A"))

    assert nothing == [("CFG-031", f"ocpp.{n}") for n in ("ca_file", "cert_file", "key_file")]
    assert no_password == [("CFG-031", "pile[0]")]


def test_plain_and_tls_piles_need_two_ports(tmp_path: Path) -> None:
    """One port cannot serve ws:// and wss://."""
    found = codes(tmp_path, LOOPBACK + FILES, pile("A"), pile("B", "security_profile = 3\n"))

    assert found == [("CFG-031", "ocpp.listen")]


def test_two_piles_with_one_identity_are_refused(tmp_path: Path) -> None:
    """An identity names one pile."""
    same = 'identity = "X"\n'

    assert codes(tmp_path, LOOPBACK, pile("A", same), pile("B", same))[0][0] == "CFG-006"


@pytest.mark.parametrize("name", ["pw", "key", "up"])
def test_K2_secret_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    """Password, TLS key and the operator's password are each refused with mode 0644."""
    ocpp = (
        LOOPBACK + FILES + 'upstream = "wss://csms.example/ocpp"\nupstream_password_file = "up"\n'
    )
    load(tmp_path, ocpp, pile("A", PASSWORD))
    (tmp_path / name).chmod(0o644)

    found = codes(tmp_path, ocpp, pile("A", PASSWORD))

    assert [code for code, _ in found] == ["CFG-013"]


@pytest.mark.parametrize(("length", "good"), [(15, False), (16, True), (40, True), (41, False)])
def test_password_has_16_to_40_bytes(tmp_path: Path, length: int, good: bool) -> None:
    """Both bounds of a key's length hold."""
    (tmp_path / "pw").write_text("x" * length)
    (tmp_path / "pw").chmod(0o600)

    if good:
        load(tmp_path, LOOPBACK, pile("A", PASSWORD))
    else:
        assert codes(tmp_path, LOOPBACK, pile("A", PASSWORD)) == [
            ("CFG-030", "pile[0].password_file")
        ]


def test_upstream_is_tls_and_may_differ_per_pile(tmp_path: Path) -> None:
    """A system elsewhere needs wss://; a pile may have its own, or none with an empty text."""
    config = load(
        tmp_path,
        LOOPBACK + 'upstream = "wss://csms.example/ocpp"\n',
        pile("A"),
        pile("B", 'upstream = "wss://other.example"\n'),
        pile("C", 'upstream = ""\n'),
    )
    plain = codes(tmp_path, LOOPBACK + 'upstream = "ws://csms.example/ocpp"\n', pile("A"))

    urls = [found.upstream.url if found.upstream else None for found in config.piles]
    assert urls == ["wss://csms.example/ocpp", "wss://other.example", None]
    assert plain == [("CFG-010", "ocpp.upstream")]


@pytest.mark.parametrize(
    ("ocpp", "host", "url"),
    [
        ('listen = "10.0.0.1:9000"\n', "", "ws://10.0.0.1:9000/A%207/1"),
        ('listen = "0.0.0.0:9000"\n', "10.0.0.5", "ws://10.0.0.5:9000/A%207/1"),
        ('listen = "[::]:9000"\n', "fd00::5", "ws://[fd00::5]:9000/A%207/1"),
        ('listen = "0.0.0.0:9000"\n', "", "ws://ADDRESS-OF-THIS-GATEWAY:9000/A%207/1"),
        (
            'listen = "0.0.0.0:9000"\nurl = "ws://gw.local:80"\n',
            "",
            "ws://gw.local:80/A%207/1",
        ),
        (
            'listen = "0.0.0.0:9000"\nsecurity_profile = 2\n' + FILES,
            "10.0.0.5",
            "wss://10.0.0.5:9000/A%207/1",
        ),
    ],
)
def test_url_for_a_pile_is_exact(tmp_path: Path, ocpp: str, host: str, url: str) -> None:
    """Scheme, host, port and the encoded identity are those that the pile has to dial."""
    config = load(tmp_path, ocpp, pile("A", PASSWORD + 'identity = "A 7/1"\n'))

    assert dial_url(config, config.piles[0], host) == url
