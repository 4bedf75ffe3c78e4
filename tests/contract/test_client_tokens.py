"""Clients prove who they are: the Python client by a source of tokens, the command by a file."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from guarded_district import CCS2, HERE, Guarded, asking, serve_guarded

from pilewise.client import VehicleClient
from pilewise.v1 import charging_service_pb2 as wire

PROFILE = wire.VehicleProfile(battery_kwh=60.0, connectors=[CCS2])
RUN = "from pilewise.cli.app import run; run()"


async def pilewise(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.slow
async def test_a_car_with_a_token_is_served_from_request_to_release(tmp_path: Path) -> None:
    """Each call carries the token that the source gives just then."""
    asked = []
    async with serve_guarded(tmp_path) as guarded:

        async def source() -> str:
            asked.append(guarded.provider.token("car", vid="A-1"))
            return asked[-1]

        async with VehicleClient(guarded.target, "A-1", PROFILE, token=source) as car:
            answer = await car.recommend(car.request(50.0, *HERE))
            guidance = car.guide(answer.promise)
            async for event in guidance:
                assert event.HasField("promise")
                guidance.stop()
            update = await car.update(answer.promise)
            assert await car.release(answer.promise.recommendation_id)

    assert update.HasField("beat")
    assert len(asked) == len(set(asked)) == 4


@pytest.mark.slow
async def test_a_drive_outlives_its_token(tmp_path: Path) -> None:
    """When a token ends, the stream is opened anew with the next one, and the drive goes on."""
    given = []
    async with serve_guarded(tmp_path, leeway_s=0) as guarded:

        def source() -> str:
            life_s = 2 if not given else 600
            given.append(guarded.provider.token("car", vid="A-1", exp=int(time.time()) + life_s))
            return given[-1]

        whole = guarded.provider.token("car", vid="A-1")
        async with VehicleClient(guarded.target, "A-1", PROFILE, token=whole) as car:
            answer = await car.recommend(car.request(50.0, *HERE))
        async with VehicleClient(guarded.target, "A-1", PROFILE, token=source) as car:
            guidance = car.guide(answer.promise)
            reading = asyncio.create_task(_read(guidance))
            async with asyncio.timeout(60):
                while len(given) < 2:
                    guidance.progress(*HERE, 49.0)
                    await asyncio.sleep(0.1)
            guidance.stop()
            await reading

    assert len(given) >= 2


async def _read(guidance: Any) -> None:
    async for _ in guidance:
        pass


async def test_a_car_without_a_token_hears_so_at_once(tmp_path: Path) -> None:
    """Nothing is repeated for want of a token."""
    async with (
        serve_guarded(tmp_path) as guarded,
        VehicleClient(guarded.target, "A-1", PROFILE) as car,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await car.recommend(car.request(50.0, *HERE))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def _known(guarded: Guarded, car: str) -> None:
    recommend = "pilewise.v1.ChargingService/Recommend"
    await guarded.outcome(recommend, asking(car), guarded.provider.token("car", vid=car))


@pytest.mark.slow
async def test_the_command_exports_and_erases_a_person(tmp_path: Path) -> None:
    """With an administrator's token in a file; without one it says what is missing."""
    token_file, written = tmp_path / "token", tmp_path / "known.json"
    privacy = ("coordinator", "privacy")
    async with serve_guarded(tmp_path) as guarded:
        token_file.write_text(guarded.provider.token("admin") + "\n")
        show = ("--target", guarded.target, "--token-file", str(token_file))
        await _known(guarded, "lonely-car")
        code, _, err = await pilewise(*privacy, "export", "lonely-car", "--target", guarded.target)
        assert code == 1
        assert "--token-file" in err

        code, _, err = await pilewise(*privacy, "export", "lonely-car", "--to", str(written), *show)
        assert code == 0, err
        code, out, err = await pilewise(*privacy, "erase", "lonely-car", "--yes", "--json", *show)
        assert code == 0, err
        code, gone, _ = await pilewise(*privacy, "export", "lonely-car", *show)

    assert json.loads(written.read_text())["requests"][0]["vehicle_id"] == "lonely-car"
    assert written.stat().st_mode & 0o077 == 0
    assert json.loads(out.splitlines()[-1])["erased"] > 0
    assert json.loads(gone)["requests"] == []
