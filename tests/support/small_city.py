"""A real city: districts and the coordinator above them as processes, an agent by hand in each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from coordinator_process import CoordinatorProcess
from served_brain import KM_LAT, asking
from small_town import CALL_S, SmallTown, open_town

from coordinator.core.pile import Station
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

UP_S = 120.0
STALE_S = 3_600.0  # statuses told once stay believed, however slow the machine is
HERE = (22.5400, 114.0500)
FREE = nouns.EVSE_STATUS_AVAILABLE


def free_address() -> str:
    """A port that nobody listens at just now, for who must come back at the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class SmallCity:
    """The city's process, its districts by name, and a channel to the city."""

    process: CoordinatorProcess
    towns: dict[str, SmallTown]
    channel: grpc.aio.Channel

    @property
    def cars(self) -> rpc.ChargingServiceAsyncStub:
        """What cars call."""
        return rpc.ChargingServiceStub(self.channel)

    async def districts(self) -> dict[str, op.DistrictState]:
        """The districts as the city sees them."""
        stub = operator_rpc.OperatorServiceStub(self.channel)
        told = await stub.ListDistricts(op.ListDistrictsRequest(), timeout=CALL_S)
        return {one.district_id: one for one in told.districts}

    async def see(self, **up: bool) -> None:
        """Returns once the city sees these districts up, or away."""
        async with asyncio.timeout(UP_S):
            while True:
                seen = await self.districts()
                if all(seen[name].up == value for name, value in up.items()):
                    return
                await asyncio.sleep(0.05)

    async def ask(self, car: str, number: int = 1, north_km: float = 0.0) -> wire.RecommendResponse:
        """The answer to a car that stands so far north of `HERE`."""
        request = asking(car, number)
        request.position.latitude_deg = HERE[0] + north_km * KM_LAT
        return await self.cars.Recommend(request, timeout=CALL_S)

    async def held(self) -> dict[str, list[str]]:
        """EVSEs with a live claim, by district; those that run."""
        claimed = {}
        for name, town in self.towns.items():
            if town.process.running:
                told = await town.operator.ListClaims(op.ListClaimsRequest(), timeout=CALL_S)
                claimed[name] = sorted(claim.evse_id for claim in told.claims)
        return claimed

    async def settled(self, **wanted: list[str]) -> None:
        """Returns once exactly these EVSEs are held."""
        seen: dict[str, list[str]] = {}
        try:
            async with asyncio.timeout(UP_S):
                while (seen := await self.held()) != wanted:
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise AssertionError(f"held are {seen}, not {wanted}") from error

    async def restart(self) -> None:
        """Kills the city and starts it again; it has forgotten everything."""
        await self.process.kill()
        await self.process.start()
        await self.channel.close()
        self.channel = grpc.aio.insecure_channel(self.process.address)


def city_process(
    folder: Path, districts: Mapping[str, str], more: str = "", **settings: object
) -> CoordinatorProcess:
    """A city above districts at these addresses, not yet started."""
    folder.mkdir(exist_ok=True)
    named = ", ".join(f"{name} = {json.dumps(address)}" for name, address in districts.items())
    given = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
    process = CoordinatorProcess(
        folder, district="city", role="city",
        more=f"[city]\ndistricts = {{ {named} }}\n{given}\n{more}",
    )  # fmt: skip
    process.log = folder / "city.log"
    return process


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.asynccontextmanager
async def _open_district(
    folder: Path, name: str, address: str, stations: Sequence[Station], more: str
) -> AsyncIterator[SmallTown]:
    """A district at this address, all its EVSEs seen free, its agent connected."""
    settings = {"district": name, "listen": address, "stale_after_s": STALE_S, "more": more}
    async with open_town(folder, stations, **settings) as town, town.agent() as agent:
        await town.report(agent)
        await town.known(**{e.split("*")[0].replace("-", "_"): FREE for e in town.evse_ids})
        yield town


@contextlib.asynccontextmanager
async def open_city(
    folder: Path,
    stations: Mapping[str, Sequence[Station]],
    *,
    more: str = "",
    below: str = "",
    **settings: object,
) -> AsyncIterator[SmallCity]:
    """A city whose districts have these stations, all EVSEs seen free.

    `more` stands in the city's file, `below` in each district's, `settings` in [city].
    """
    async with contextlib.AsyncExitStack() as stack:
        addresses = {name: free_address() for name in stations}
        opened = (
            stack.enter_async_context(
                _open_district(_made(folder / name), name, address, stations[name], below)
            )
            for name, address in addresses.items()
        )
        towns = dict(zip(addresses, await asyncio.gather(*opened), strict=True))
        process = city_process(folder / "city", addresses, more, **settings)
        await process.start()
        stack.push_async_callback(process.stop)
        city = SmallCity(process, towns, grpc.aio.insecure_channel(process.address))
        stack.push_async_callback(lambda: city.channel.close())
        await city.see(**dict.fromkeys(towns, True))
        yield city
