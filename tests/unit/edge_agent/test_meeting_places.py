"""Where piles and the agent meet, as the coordinator is told it."""

from __future__ import annotations

from pathlib import Path

from edge_agent.config import Config
from edge_agent.config_file import load_config
from edge_agent.meeting_places import meeting_places

HEAD = '[agent]\nid = "G1"\ncoordinator = "127.0.0.1:50051"\ndata_dir = "data"\n'
PLUG = '[[pile.connector]]\nstandard = "IEC_62196_T2"\nmax_power_kw = 11\n'


def load(folder: Path, text: str) -> Config:
    path = folder / "agent.toml"
    path.write_text(HEAD + text)
    return load_config(path)


def test_pile_that_dials_has_the_port_that_is_bound(tmp_path: Path) -> None:
    """Where the file leaves the port to the host, the URL has the one that listens."""
    text = '[ocpp]\nlisten = "127.0.0.1:0"\n[[pile]]\nuid = "A-1"\nprofile = "ocpp16"\n'
    config = load(tmp_path, text + 'identity = "CP 1"\n' + PLUG)

    places = meeting_places(config, ("ws://127.0.0.1:41234/", ""))

    assert places == {"A-1": "ws://127.0.0.1:41234/CP%201"}


def test_pile_that_is_asked_has_its_address_and_unit(tmp_path: Path) -> None:
    """A Modbus pile is told by transport, host, port and unit."""
    text = '[[pile]]\nuid = "B"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\ndevice_id = 7\n'
    config = load(tmp_path, text + "port = 1502\n")

    assert meeting_places(config, ("", "")) == {"B": "modbus-tcp 127.0.0.1:1502 unit 7"}
