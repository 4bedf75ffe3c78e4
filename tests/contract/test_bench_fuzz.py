"""The fuzz bench: a small run finds nothing, and it would notice what it looks for."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from bench.fuzz import grpc_doors
from bench.fuzz.district import District
from bench.fuzz.grpc_doors import GrpcDoor
from bench.fuzz.input import Input, Outcome
from bench.fuzz.logs import LogWatch
from bench.fuzz.plan import WEIGHTS
from bench.fuzz.run import Gunner, Watched
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc

ROOT = Path(__file__).resolve().parents[2]
AT_MS = 1_795_000_000_000


@pytest.mark.slow
def test_small_fuzz_over_all_doors_finds_nothing(tmp_path: Path) -> None:
    """About 2,000 inputs, half of them changed valid frames, and every door had its share."""
    command = [sys.executable, "-m", "bench.fuzz", "--json", "--inputs", "2000", "--seed", "5"]
    ran = subprocess.run(
        [*command, "--findings", str(tmp_path)], cwd=ROOT, capture_output=True, timeout=118,
        check=False,
    )  # fmt: skip

    figures = json.loads(ran.stdout.decode().splitlines()[-1])
    assert figures["inputs"] == 2000
    assert (figures["uncaught"], figures["hangs"]) == (0, 0), ran.stderr.decode()[-4000:]
    assert ran.returncode == 0
    assert figures["mutated_share"] == pytest.approx(0.5, abs=0.02)
    assert set(figures["surfaces"]) | set(figures["skipped"]) == set(WEIGHTS)


class Faulty(charging_rpc.ChargingServiceServicer):
    """Raises what nobody expects, or never answers; everything else is not there."""

    async def Recommend(self, request: charging.RecommendRequest, context: object) -> object:
        raise ZeroDivisionError

    async def Confirm(self, request: charging.ConfirmRequest, context: object) -> object:
        await asyncio.Event().wait()
        return charging.ConfirmResponse()


@asynccontextmanager
async def faulty_server() -> AsyncIterator[str]:
    """Where it listens."""
    server = grpc.aio.server()
    charging_rpc.add_ChargingServiceServicer_to_server(Faulty(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def item(target: str) -> Input:
    return Input("grpc/charging", target, "mutated", (b"",))


async def test_unknown_is_uncaught_and_silence_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that raises and one that does not answer are told apart, and both counted."""
    monkeypatch.setattr(grpc_doors, "ANSWER_S", 0.2)
    async with faulty_server() as address:
        door = GrpcDoor("grpc/charging", lambda: address, District(address), AT_MS)
        await door.open()
        raised, silent, absent = [
            await door.send(item(name)) for name in ("Recommend", "Confirm", "Release")
        ]
        await door.close()

    assert (raised.word, raised.bad) == ("UNKNOWN", "uncaught")
    assert (silent.word, silent.bad) == ("no answer", "hang")
    assert (absent.word, absent.bad) == ("UNIMPLEMENTED", "")


async def test_a_server_that_is_gone_is_uncaught() -> None:
    """Nobody at the address is no refusal."""
    async with faulty_server() as address:
        pass
    door = GrpcDoor("grpc/charging", lambda: address, District(address), AT_MS)
    await door.open()
    outcome = await door.send(item("Recommend"))
    await door.close()

    assert (outcome.word, outcome.bad) == ("UNAVAILABLE, not explained", "uncaught")


class Mute:
    """A door that takes everything; the second input makes a room complain in its log."""

    name = "grpc/charging"
    lanes = 1

    def __init__(self, log: Path) -> None:
        self._log = log

    async def open(self) -> None:
        """Nothing is needed."""

    async def close(self) -> None:
        """Nothing is held."""

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """Numbered inputs."""
        for number in range(count):
            yield Input(self.name, str(number), "mutated", (b"",))

    async def send(self, item: Input) -> Outcome:
        """Fails only where nobody sees it but the log."""
        if item.target == "1":
            with self._log.open("a") as log:
                log.write("Task exception was never retrieved\n")
        return Outcome("OK")


async def nothing(*_: object) -> str:
    return ""


async def untouched() -> tuple[bool, str]:
    return False, ""


async def test_what_only_a_log_tells_is_pinned_on_its_input(tmp_path: Path) -> None:
    """The input is found by sending the slice again one by one, and kept for a replay."""
    watch = LogWatch(tmp_path / "room.log")
    watched = Watched(watch.complaints, nothing, untouched, list, nothing)  # type: ignore[arg-type]
    gunner = Gunner(tmp_path / "found")
    await gunner.shoot(Mute(watch.path), watched, random.Random(1), 3)

    (kept,) = gunner.files
    assert gunner.tallies["grpc/charging"].uncaught == 1
    assert Input.from_json(json.loads(kept.read_text())).target == "1"


async def test_a_room_that_ends_or_serves_nobody_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a process is uncaught and the room starts again; a good client unserved hangs."""
    gone, revived = ["coordinator"], []

    async def revive(name: str) -> None:
        revived.append(name)
        gone.remove(name)

    async def alive() -> str:
        return "a good request got no answer"

    monkeypatch.setattr("bench.fuzz.run.PATIENCE_S", ())
    gunner = Gunner(tmp_path / "found")
    door = Mute(tmp_path / "room.log")
    watched = Watched(list, alive, untouched, lambda: list(gone), revive)  # type: ignore[arg-type]
    await gunner.shoot(door, watched, random.Random(1), 1)
    ended = gunner.tallies["grpc/charging"].uncaught
    await gunner.shoot(door, watched, random.Random(1), 1)

    assert (ended, revived) == (1, ["coordinator"])
    assert gunner.tallies["grpc/charging"].hangs == 1


async def test_a_room_that_does_not_start_on_its_data_is_counted(tmp_path: Path) -> None:
    """What inputs leave on a disk may not keep a coordinator down."""

    async def poisoned() -> tuple[bool, str]:
        return True, "coordinator exited with 1"

    gunner = Gunner(tmp_path / "found")
    door = Mute(tmp_path / "room.log")
    watched = Watched(list, nothing, poisoned, list, nothing)  # type: ignore[arg-type]
    await gunner.shoot(door, watched, random.Random(1), 1)

    assert gunner.tallies["grpc/charging"].uncaught == 1


class Silent(Mute):
    """Never answers the first input, and the second only when it is sent again."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        self.asked: list[str] = []

    async def send(self, item: Input) -> Outcome:
        """As a machine that stalls, and as a bug."""
        self.asked.append(item.target)
        stalled = item.target == "1" and self.asked.count("1") == 1
        hangs = item.target == "0" or stalled
        return Outcome("no answer", "hang") if hangs else Outcome("OK")


async def test_a_hang_is_told_from_a_machine_that_stalls(tmp_path: Path) -> None:
    """Only what is never answered counts; what is answered the second time is late."""
    gunner = Gunner(tmp_path / "found")
    door = Silent(tmp_path / "room.log")
    watched = Watched(list, nothing, untouched, list, nothing)  # type: ignore[arg-type]
    await gunner.shoot(door, watched, random.Random(1), 3)
    tally = gunner.tallies["grpc/charging"]

    assert (tally.inputs, tally.hangs, tally.late) == (3, 1, 1)
    assert door.asked == ["0", "1", "2", "0", "1"]


@pytest.mark.parametrize("name", list(grpc_doors.SERVICES))
def test_the_same_seed_makes_the_same_inputs(name: str) -> None:
    """Two runs send the same bytes; another seed sends others."""
    door = GrpcDoor(name, lambda: "", District(""), AT_MS)
    once, again, other = [list(door.inputs(random.Random(n), 60)) for n in (1, 1, 2)]

    assert once == again
    assert once != other
    assert sum(item.kind == "mutated" for item in once) >= 30
