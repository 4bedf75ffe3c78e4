"""The status intervals of a real network are lived again by simulated piles."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from central_system import CentralSystem

from firmware_sim import replay_command
from firmware_sim.bench.tape.intervals import Connector, Turn
from firmware_sim.bench.tape.network import Network, pile_table
from firmware_sim.bench.tape.places import places
from firmware_sim.core.evse import Supply
from firmware_sim.core.pile import PileSpec
from firmware_sim.core.status import ocpp_status
from firmware_sim.fleet import Fleet
from firmware_sim.network_replay import NetworkReplay

DATA = Path(os.environ.get("PILEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
IRELAND = DATA / "ireland"
CONNECTORS = "connector_id,cp,type\n0,x,StandardType2\n1,y,CHAdeMO\n2,z,FastAC43\n"
INTERVALS = """connector_id,state,start,end,censored
0,available_or_unlisted,2018-11-01 10:00:00,2018-11-01 10:01:00,False
0,occ,2018-11-01 10:01:00,2018-11-01 10:31:00,False
0,oos,2018-11-01 10:31:00,2018-11-01 10:41:00,False
1,occ,2018-11-01 10:05:00,2018-11-01 10:20:00,False
1,ooc,2018-11-01 10:20:00,2018-11-01 10:30:00,False
"""


def files(folder: Path) -> tuple[Path, Path]:
    connectors, intervals = folder / "c.csv", folder / "i.csv"
    connectors.write_text(CONNECTORS)
    intervals.write_text(INTERVALS)
    return intervals, connectors


def stepped(intervals: Path, connectors: Path, *, piles: int = 2, seed: int = 0) -> dict[str, Any]:
    replay = NetworkReplay(
        intervals, connectors, piles=piles, face="modbus", central="", speed=0, seed=seed
    )
    asyncio.run(replay.run(lambda _: None, asyncio.Event()))
    return replay.summary()


def test_states_turn_into_what_a_pile_shows() -> None:
    """A car, an outage, a lost line, and all well again; what follows ends what was before."""
    spec = PileSpec("IE-4", "abb-terra-ac", 22.0, Supply.AC_3)
    network = Network(Fleet([spec]), seed=0)
    shown = []
    for at_ms, state in enumerate(("occ", "oos", "occ", "part", "ooc", "available_or_unlisted")):
        network.apply(Turn(at_ms, "4", state))
        network.fleet.advance(10)
        pile = network.fleet.pile("IE-4")
        shown.append((ocpp_status(pile.evses[0]), pile.wire.name if pile.wire else ""))

    assert shown == [
        ("Charging", ""),
        ("Unavailable", ""),
        ("Charging", ""),
        ("Available", ""),
        ("Available", "wire:silent"),
        ("Available", ""),
    ]
    assert network.fleet.evse("IE-4*1").sessions_begun == 2


def test_stepped_replay_counts_sessions_and_energy(tmp_path: Path) -> None:
    """Half an hour of charging is half an hour of energy, whatever the speed; seeds draw cars."""
    told = stepped(*files(tmp_path))

    assert (told["turns"], told["sessions"], told["bad_lines"]) == (7, 2, 0)
    assert 0 < told["energy_kwh"] < 11 + 12.5
    assert told == stepped(*files(tmp_path))
    assert told["energy_kwh"] != stepped(*files(tmp_path), seed=3)["energy_kwh"]


def test_plugs_decide_what_flows() -> None:
    """CHAdeMO is direct current, everything else three phases."""
    rapid = pile_table(Connector("1", "CHAdeMO"), "modbus", "")
    dialling = pile_table(Connector("2", "FastAC43"), "ocpp16", "ws://127.0.0.1:9/")

    assert rapid["model"] == "alpitronic-hypercharger"
    assert dialling["url"] == "ws://127.0.0.1:9/IE-2"
    assert dialling["supply"] == "auto"


@pytest.mark.slow
def test_live_replay_serves_the_piles_and_ends_with_the_data(tmp_path: Path) -> None:
    """The process says where its piles are, plays forty minutes in a moment, and sums up."""
    intervals, connectors = files(tmp_path)
    words = ["--intervals", str(intervals), "--connectors", str(connectors), "--piles", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "firmware_sim", "replay", *words, "--speed", "2000", "--json"],
        capture_output=True,
        timeout=60,
        check=True,
    )

    ready, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert [pile["pile_id"] for pile in ready["piles"]] == ["IE-0", "IE-1"]
    assert all(pile["address"].startswith("127.0.0.1:") for pile in ready["piles"])
    assert (summary["turns"], summary["sessions"]) == (7, 2)


@pytest.mark.slow
async def test_charge_points_of_a_network_dial_their_central_system(tmp_path: Path) -> None:
    """As charge points the same connectors tell their sessions over OCPP."""
    intervals, connectors = files(tmp_path)
    system = CentralSystem()
    await system.open()
    try:
        replay = NetworkReplay(
            intervals,
            connectors,
            piles=2,
            face="ocpp16",
            central=f"ws://127.0.0.1:{system.port}",
            speed=300,
            seed=0,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(replay.run(lambda _: None, stop))
        await system.wait_for("StartTransaction")
        stop.set()
        async with asyncio.timeout(60):
            await running
    finally:
        await system.close()

    assert replay.summary()["sessions"] >= 1


@pytest.mark.parametrize("word", ["A-01", "A-01=7", "=127.0.0.1:7", "A-01=192.0.2.1:7"])
def test_place_that_is_none_is_told(word: str) -> None:
    """A typing mistake is no silent free port, and no other network is served."""
    with pytest.raises(ValueError, match="--listen"):
        places([word])


def test_speed_beyond_the_physics_is_refused(tmp_path: Path) -> None:
    """Faster than the piles can be stepped would lose energy: the limit is said."""
    intervals, connectors = files(tmp_path)
    words = ["--intervals", str(intervals), "--connectors", str(connectors)]

    with pytest.raises(SystemExit) as ended:
        replay_command.main([*words, "--speed", "1000000"])

    assert ended.value.code == 2
    assert replay_command.main(["--intervals", "nowhere.csv", "--connectors", str(connectors)]) == 3


@pytest.mark.slow
def test_irish_network_is_lived_again() -> None:
    """Ten days of six Irish connectors give hundreds of sessions and no bad line."""
    if not (IRELAND / "status_intervals.csv.gz").exists():
        pytest.skip("needs ../shared/data or PILEWISE_DATA")

    told = stepped(IRELAND / "status_intervals.csv.gz", IRELAND / "connectors.csv", piles=6)

    assert told["bad_lines"] == 0
    assert told["sessions"] > 100
    assert told["sessions"] == told["by_state"]["occ"]
    assert told["days"] > 9
