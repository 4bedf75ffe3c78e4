"""`pilewise sim tui` against a running simulator, driven by textual's own pilot."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

pytest.importorskip("textual", reason="hint: pip install 'pilewise[tui]'")

from textual.pilot import Pilot
from textual.widgets import DataTable, Label, OptionList

from pilewise.cli.bench_view.app import BenchView
from pilewise.cli.bench_view.source import Source
from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc as rpc

pytestmark = pytest.mark.slow
DEADLINE_S = 60.0
SIM = """
[sim]
mode = "stepped"
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "abb-terra-ac"
max_power_kw = 11.04
[[pile]]
pile_id = "D-01"
face = "modbus"
model = "alpitronic-hypercharger"
max_power_kw = 150
connectors = 2
[[pile]]
pile_id = "O-01"
face = "ocpp16"
url = "ws://127.0.0.1:9/O-01"
"""


class Screen:
    """What a person sees and presses."""

    def __init__(self, app: BenchView, pilot: Pilot[None], room: RoomProcess) -> None:
        self.app, self.pilot, self.room = app, pilot, room

    def rows(self) -> dict[str, list[str]]:
        """The cells of each line, by the name of its register."""
        table = self.app.query_one("#registers", DataTable)
        lines = [[str(cell).strip() for cell in table.get_row(key)] for key in table.rows]
        return {cells[1].lstrip("*"): cells for cells in lines}

    def label(self, name: str) -> str:
        """The text of a label."""
        return str(self.app.query_one(f"#{name}", Label).render())

    async def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, met: Callable[[], Any]) -> None:
        """Waits until it is seen."""
        async with asyncio.timeout(DEADLINE_S):
            while not met():
                await self.pilot.pause(0.02)

    async def state(self, evse_id: str) -> pb.SimulatedState:
        """What the simulator itself says."""
        async with grpc.aio.insecure_channel(str(self.room.ready["bench"])) as channel:
            stub = rpc.BenchServiceStub(channel)
            return (await stub.GetState(pb.GetStateRequest(evse_id=evse_id))).state


@asynccontextmanager
async def shown(folder: Path, **options: Any) -> AsyncIterator[Screen]:
    """The view of a simulator of three piles, on a terminal of 80 by 24."""
    config = folder / "sim.toml"
    config.write_text(SIM)
    args = ("-c", str(config), "--log-level", "error")
    async with (
        RoomProcess("firmware_sim", args, folder / "sim.log") as room,
        Source(str(room.ready["bench"])) as source,
    ):
        app = BenchView(source, every_s=0.05, **options)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot, room)
            await screen.until(lambda: app.looks)
            yield screen


async def test_registers_are_shown_and_news_flashes(tmp_path: Path) -> None:
    """Address, raw words, value and unit fit 80 columns; what changed has a star."""
    async with shown(tmp_path) as screen:
        first = screen.rows()
        await screen.press("p", "t")
        await screen.until(lambda: screen.rows()["charging_state"][1].startswith("*"))
        moved = screen.rows()["charging_state"]
        picture = screen.app.export_screenshot()
        (tmp_path / "sim-tui.svg").write_text(picture)
        await screen.press("T")
        await screen.until(lambda: not screen.rows()["charging_state"][1].startswith("*"))

    assert first["voltage_l1"][:5] == ["3:4016", "voltage_l1", "0000 08fc", "230", "V"]
    assert first["charging_state"][2] == "0000 0000"
    assert moved[2] != "0000 0000"
    seen = picture.replace("&#160;", " ")
    for word in (
        "A-01 suspended",
        "3:4016",
        "writer",
        "age",
        "voltage_l1",
        "0000 08fc",
        "plug",
        "quit",
    ):
        assert word in seen


async def test_keys_act_on_the_plug(tmp_path: Path) -> None:
    """p plugs in, t and T move time, i breaks by name, c mends, u unplugs, r resets."""
    async with shown(tmp_path) as screen:
        await screen.press("p", "T")
        assert (await screen.state("A-01*1")).power_kw > 10
        await screen.press("i")
        await screen.until(lambda: screen.app.screen.query("#word"))
        await screen.press(*"groundf", "enter")
        await screen.until(lambda: "GroundFailure injected" in screen.label("said"))
        assert list((await screen.state("A-01*1")).faults) == ["GroundFailure"]
        await screen.until(lambda: "F  FAULTED" in screen.label("state"))
        await screen.press("c")
        assert list((await screen.state("A-01*1")).faults) == []
        await screen.press("u")
        assert not (await screen.state("A-01*1")).HasField("soc_pct")
        await screen.press("u")
        assert "no car is plugged in" in screen.label("said")
        await screen.press("p", "r")
        assert not (await screen.state("A-01*1")).bay_occupied


async def test_what_is_typed_may_be_a_word_with_a_value(tmp_path: Path) -> None:
    """A wire fault with its seconds is injected as typed; Escape breaks nothing."""
    async with shown(tmp_path) as screen:
        await screen.press("i")
        await screen.until(lambda: screen.app.screen.query("#word"))
        await screen.press(*"wire:delay:2", "enter")
        await screen.until(lambda: "wire:delay:2 injected" in screen.label("said"))
        assert list((await screen.state("A-01*1")).faults) == ["wire:delay:2"]
        await screen.press("i")
        await screen.until(lambda: screen.app.screen.query("#word"))
        await screen.press("escape")
        await screen.until(lambda: not screen.app.screen.query("#word"))

        assert list((await screen.state("A-01*1")).faults) == ["wire:delay:2"]


async def test_filter_leaves_what_fits(tmp_path: Path) -> None:
    """/ and a word leave the registers that have it; Escape shows all again."""
    async with shown(tmp_path) as screen:
        every = len(screen.rows())
        await screen.press("slash", *"voltage", "enter")
        await screen.until(lambda: len(screen.rows()) < every)
        some = set(screen.rows())
        await screen.press("escape")
        await screen.until(lambda: len(screen.rows()) == every)

    assert some == {"voltage_l1", "voltage_l2", "voltage_l3"}


async def test_another_pile_and_plug_are_chosen(tmp_path: Path) -> None:
    """The list leads to another pile, n to its next plug; one without registers has a state."""
    async with shown(tmp_path, pile_id="D-01") as screen:
        assert "D-01*1" in screen.label("state")
        await screen.press("n", "p")
        assert (await screen.state("D-01*2")).bay_occupied
        piles = screen.app.query_one("#piles", OptionList)
        piles.focus()
        await screen.press("down")
        await screen.until(lambda: "O-01*1" in screen.label("state"))

        assert screen.rows() == {}


async def test_view_works_without_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR nothing is told by colour alone: news keeps its star, faults their word."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(tmp_path) as screen:
        await screen.press("p", "t")
        await screen.until(lambda: screen.rows()["charging_state"][1].startswith("*"))

        assert screen.app.no_color
        assert "suspended" in str(screen.app.query_one("#piles", OptionList).options[0].prompt)


async def test_bench_that_is_gone_is_told_and_waited_for(tmp_path: Path) -> None:
    """The view says that nobody answers and stays."""
    async with shown(tmp_path) as screen:
        await screen.room.stop()
        await screen.until(lambda: "no bench answers at" in screen.label("said"))

        assert "A-01*1" in screen.label("state")


def test_command_starts_a_simulator_and_ends_with_it(tmp_path: Path) -> None:
    """In a real terminal: -c starts the piles, p plugs in, q leaves with 0 and nothing runs on."""
    config = tmp_path / "sim.toml"
    config.write_text(SIM.replace('"stepped"', '"live"'))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = "from pilewise.cli import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, "sim", "tui", "-c", str(config)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    try:
        seen = read_until(ours, b"", b"voltage_l1")
        os.write(ours, b"p")
        seen = read_until(ours, seen, b"charging")
        os.write(ours, b"q")
        ending = threading.Thread(target=read_until, args=(ours, b"", b"nothing more"), daemon=True)
        ending.start()

        assert running.wait(DEADLINE_S) == 0
        assert b"voltage_l1" in seen
        assert b"charging" in seen
    finally:
        running.kill()
        os.close(ours)
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(config) in words for words in commands)


def read_until(terminal: int, seen: bytes, wanted: bytes) -> bytes:
    """What the screen was sent, up to a word or to the end."""
    end_s = time.monotonic() + DEADLINE_S
    while wanted not in seen and time.monotonic() < end_s:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        try:
            seen += os.read(terminal, 65536) if ready else b""
        except OSError:
            break  # the other side has closed it
    return seen


def tui(*words: str, hide: str = "") -> subprocess.CompletedProcess[str]:
    """`pilewise sim tui` without a terminal; `hide` is a module that is not installed."""
    code = "import sys\n"
    code += f"sys.modules[{hide!r}] = None\n" if hide else ""
    code += "from importlib import util\n"
    code += "real = util.find_spec\n"
    code += f"util.find_spec = lambda name, *a: None if name == {hide!r} else real(name, *a)\n"
    code += "from pilewise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "sim", "tui", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "hide", "code", "said"),
    [
        ((), "", 2, "error[CMD-104]"),
        (("--bench", "127.0.0.1:9", "-c", "sim.toml"), "", 2, "one of both"),
        (("--bench", "127.0.0.1:9"), "textual", 1, 'pip install "pilewise[sim,tui]"'),
        (("--bench", "127.0.0.1:9"), "", 2, "needs a terminal"),
    ],
)
def test_wrong_use_is_told(words: tuple[str, ...], hide: str, code: int, said: str) -> None:
    """Neither or both of bench and configuration, a missing extra, no terminal: each has a hint."""
    ran = tui(*words, hide=hide)

    assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
    assert "hint:" in ran.stderr
