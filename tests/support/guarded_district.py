"""A whole coordinator with identities, every service on a real socket, in the test's process."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from certificates import authority
from identity_provider import AUDIENCE, ISSUER, IdentityProvider, bearing

from coordinator.app import serve_all
from coordinator.config import read_config
from coordinator.core.pile import EvseStatus
from coordinator.door_parts import make_door
from coordinator.parts import Parts, build_parts
from coordinator.rpc.server import RpcServer
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

CCS2 = 27
HERE = (22.5400, 114.0500)


@dataclass
class Guarded:
    """The parts behind the door, and how to call them."""

    parts: Parts
    provider: IdentityProvider
    channel: grpc.aio.Channel
    agents: grpc.aio.Channel  # shows the certificate of agent gw-1
    target: str

    async def code(self, method: str, request: Any, token: str = "") -> grpc.StatusCode:
        """What a unary call, or the first answer of a stream, came to."""
        return (await self.outcome(method, request, token))[0]

    async def outcome(
        self, method: str, request: Any, token: str = "", channel: grpc.aio.Channel | None = None
    ) -> tuple[grpc.StatusCode, Any]:
        """Status, and the answer or the error."""
        return await call(channel or self.channel, method, request, bearing(token) if token else ())


async def _talk(opening: Callable[[], Any], request: Any) -> tuple[grpc.StatusCode, Any]:
    """Opens a stream, says one thing, and hears the first answer.

    Where the server ended the stream before the word was written, grpc's client may say that it
    could not write (INTERNAL) in place of what the server said; then it is opened again.
    """
    for _ in range(20):
        opened = opening()
        try:
            await opened.write(request)
            answer = await opened.read()
        except asyncio.InvalidStateError:
            return await opened.code(), None
        except grpc.aio.AioRpcError as error:
            if "Internal error from Core" in str(error.details()):
                continue
            raise
        if answer is grpc.aio.EOF:
            return await opened.code(), None
        opened.cancel()
        return grpc.StatusCode.OK, answer
    raise AssertionError("the client's library could not write, twenty times")


async def call(
    channel: grpc.aio.Channel, method: str, request: Any, metadata: Any = ()
) -> tuple[grpc.StatusCode, Any]:
    """Calls `service/Method` with a message of the contract, by its descriptor."""
    from google.protobuf import message_factory

    service, _, name = method.partition("/")
    found = SERVICES[service].methods_by_name[name]
    parse = message_factory.GetMessageClass(found.output_type).FromString
    path = f"/{method}"
    try:
        if found.client_streaming:
            open_stream = channel.stream_stream(path, lambda m: m.SerializeToString(), parse)
            return await _talk(lambda: open_stream(metadata=metadata, timeout=10), request)
        if found.server_streaming:
            answers = channel.unary_stream(path, lambda m: m.SerializeToString(), parse)(
                request, metadata=metadata, timeout=10
            )
            reading = asyncio.ensure_future(answers.read())
            done, _ = await asyncio.wait({reading}, timeout=0.5)
            if not done:
                answers.cancel()
                reading.cancel()
                return grpc.StatusCode.OK, None  # let in, and nothing to tell yet
            answer = reading.result()
            if answer is grpc.aio.EOF:
                return await answers.code(), None
            answers.cancel()
            return grpc.StatusCode.OK, answer
        unary = channel.unary_unary(path, lambda m: m.SerializeToString(), parse)
        return grpc.StatusCode.OK, await unary(request, metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code(), error


def _services() -> dict[str, Any]:
    from pilewise.v1 import charging_service_pb2 as charging
    from pilewise.v1 import district_service_pb2 as district
    from pilewise.v1 import edge_service_pb2 as edge

    return {
        service.full_name: service
        for file in (charging, district, edge, op)
        for service in file.DESCRIPTOR.services_by_name.values()
    }


SERVICES = _services()


def asking(car: str, number: int | str = 1, **fields: Any) -> wire.RecommendRequest:
    """A valid request of a car at `HERE`."""
    return wire.RecommendRequest(
        request_id=f"{car}-{number}",
        vehicle_id=car,
        soc_pct=50.0,
        vehicle=wire.VehicleProfile(battery_kwh=60.0, connectors=[CCS2]),
        position=nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1]),
        **fields,
    )


def town(evse_count: int = 40) -> op.PutStationsRequest:
    """One station with so many piles at `HERE`."""
    piles = [
        nouns.PileFacts(pile_id=f"S-{number}", station_id="S", evses=[_evse(f"S-{number}*1")])
        for number in range(evse_count)
    ]
    where = nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1])
    station = nouns.Station(station_id="S", name="Station S", position=where, piles=piles)
    return op.PutStationsRequest(stations=[station])


def _evse(evse_id: str) -> nouns.Evse:
    plug = nouns.Connector(
        connector_id="1", standard=CCS2, power_type=nouns.POWER_TYPE_DC, max_power_kw=120.0
    )
    return nouns.Evse(evse_id=evse_id, connectors=[plug])


@asynccontextmanager
async def serve_guarded(folder: Path, **identity: Any) -> AsyncIterator[Guarded]:
    """The coordinator with a provider and one station of free piles."""
    provider = IdentityProvider(folder)
    given = {"jwks_file": str(provider.jwks), "audience": AUDIENCE, "issuer": ISSUER, **identity}
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    path = folder / "coordinator.toml"
    path.write_text(
        f'[coordinator]\ndistrict = "test"\ndata_dir = "{folder / "data"}"\n'
        "[replan]\nenabled = false\n[identity]\n" + "\n".join(lines) + "\n"
    )
    parts = build_parts(read_config(path))
    server = RpcServer(random.Random(7), parts.counters, door=make_door(parts))
    serve_all(parts, server.guarded)
    await parts.brain.start()
    port = server.bind("127.0.0.1:0")
    agent, agents_port = _certified(folder, server)
    await server.start()
    loops = [
        asyncio.create_task(parts.ingest.run(), name="test:ingest"),
        asyncio.create_task(parts.brain.watchman.run(), name="test:watchman"),
    ]
    target = f"127.0.0.1:{port}"
    try:
        async with (
            grpc.aio.insecure_channel(target) as channel,
            grpc.aio.secure_channel(f"127.0.0.1:{agents_port}", agent) as agents,
        ):
            stub = op_rpc.OperatorServiceStub(channel)
            await stub.PutStations(town(), metadata=bearing(provider.token("admin")))
            see_free(parts)
            yield Guarded(parts, provider, channel, agents, target)
    finally:
        for tell in parts.on_stop:
            tell()
        await server.stop(0.2)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        parts.shadow.close()
        await parts.brain.close()
        await parts.store.close()
        parts.lock.release()


def _certified(folder: Path, server: RpcServer) -> tuple[grpc.ChannelCredentials, int]:
    """What agent gw-1 of this district shows, and the port where agents have to."""
    ca = authority(folder / "ca")
    own = ca.issue("server", alt="IP:127.0.0.1")
    agent = ca.issue("gw-1", alt="URI:spiffe://test/agent/gw-1")
    root = ca.own.cert.read_bytes()
    port = server.bind(
        "127.0.0.1:0",
        grpc.ssl_server_credentials(
            [(own.key.read_bytes(), own.cert.read_bytes())], root, require_client_auth=True
        ),
    )
    shown = agent.key.read_bytes(), agent.cert.read_bytes()
    return grpc.ssl_channel_credentials(root, *shown), port


def see_free(parts: Parts) -> None:
    """Lets every EVSE be seen free just now."""
    parts.district.status[:] = EvseStatus.AVAILABLE
    parts.district.observed_at_s[:] = time.time()
    parts.district.heard_at_s[:] = parts.clock.link_s()
