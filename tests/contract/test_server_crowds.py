"""How many connections a server takes: in all, from one address, and without a request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import socket
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.sockets_bad import KINDS
from coordinator.rpc.limits import Limits
from coordinator.rpc.server import RpcServer
from coordinator.usecases.counters import Counters
from pilewise.v1 import charging_service_pb2_grpc as rpc

ELSEWHERE = "127.0.9.1"
END_S = 60.0
ASK = health_pb2.HealthCheckRequest()


class Served:
    """A server with these limits, and sockets that are opened to it."""

    def __init__(self, **limits: float) -> None:
        # Nothing but what is tested closes a connection.
        given = {"handshake_s": 300.0, "idle_s": 300.0, "ping_s": 300.0, **limits}
        self.counters = Counters()
        self.server = RpcServer(random.Random(1), self.counters, Limits(**given))  # type: ignore[arg-type]
        charging = rpc.ChargingServiceServicer()
        self.server.guarded.serve(rpc.add_ChargingServiceServicer_to_server, charging)
        self.port = self.server.bind("127.0.0.1:0")
        self.wires: list[socket.socket] = []
        self.channels: list[grpc.aio.Channel] = []

    async def open(self, count: int, said: bytes = b"", source: str = ELSEWHERE) -> None:
        """Opens sockets at an address of their own, and says something on each."""
        for _ in range(count):
            wire = socket.socket()
            self.wires.append(wire)
            wire.bind((source, 0))
            await asyncio.to_thread(wire.connect, ("127.0.0.1", self.port))
            wire.setblocking(False)
            with contextlib.suppress(OSError):
                wire.send(said)

    @property
    def standing(self) -> int:
        """Sockets that the server has not closed."""
        return sum(not _closed(wire) for wire in self.wires)

    async def ask(self, channel: grpc.aio.Channel | None = None) -> grpc.aio.Channel:
        """The channel by which the server answered; a connection of its own if none is given."""
        if channel is None:
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=options)
            self.channels.append(channel)
        await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=END_S)
        return channel


def _closed(wire: socket.socket) -> bool:
    try:
        while heard := wire.recv(65_536):
            assert heard
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextlib.asynccontextmanager
async def served(**limits: float) -> AsyncIterator[Served]:
    made = Served(**limits)
    await made.server.start()
    try:
        yield made
    finally:
        for channel in made.channels:
            await channel.close()
        for wire in made.wires:
            wire.close()
        await made.server.stop(0.1)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(END_S):
        while not holds():
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_C4_silent_connections_beyond_those_of_one_address_are_closed() -> None:
    """Forty silent ones of one address become twenty; another address is answered all along."""
    async with served(connections_per_peer=20) as made:
        channel = await made.ask()
        await made.open(40)
        await until(lambda: made.standing == 20)
        await made.ask(channel)
        await asyncio.sleep(2.5)  # two more looks

        assert made.standing == 20
        assert made.counters.values()["connections_cut"] == 20


@pytest.mark.slow
async def test_C4_new_connections_of_a_crowded_address_hear_why_they_are_refused() -> None:
    """Connections that served stay; a new one is told how many are open, until some are gone."""
    async with served(connections_per_peer=5) as made:
        known, why = [], ""
        async with asyncio.timeout(END_S):
            while not why:
                try:
                    known.append(await made.ask())
                except grpc.aio.AioRpcError as error:
                    # One that is looked at before its request has come is closed without a word.
                    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                        why = error.details() or ""
                await asyncio.sleep(0.2)
        for channel in known:
            await made.ask(channel)
        for channel in made.channels[2:]:
            await channel.close()
        await until(lambda: made.counters.values()["crowded_peers"] == 0)
        await made.ask()

    assert len(known) > 5
    assert re.fullmatch("connections of this address: [0-9]+ open, at most 5", why)


async def test_C4_connections_beyond_all_that_are_taken_are_closed_as_they_come() -> None:
    """Of fifteen ten stand, and one that had come before them is still answered."""
    async with served(connections=11) as made:
        channel = await made.ask()
        await made.open(15)
        await until(lambda: made.standing == 10)
        await made.ask(channel)


@pytest.mark.slow
async def test_C4_connection_whose_only_call_brings_no_request_is_closed() -> None:
    """It does not wait to be idle; one that has served before keeps its connection."""
    said, _, _ = KINDS["call_without_request"]
    async with served(first_message_s=0.5) as made:
        channel = await made.ask()
        await made.open(10, said)
        await until(lambda: made.standing == 0)
        await made.ask(channel)

    assert made.counters.values()["calls_without_request"] == 10
    assert made.counters.values()["connections_cut"] == 10


@pytest.mark.slow
async def test_C4_of_silent_connections_those_that_came_last_are_closed() -> None:
    """Who came first stays, although the system gives its lower numbers to those who come later."""
    numbers = [os.open(os.devnull, os.O_RDONLY) for _ in range(12)]
    async with served(connections_per_peer=5) as made:
        crowd = made.server._crowd
        await made.open(5)
        await until(lambda: len(crowd._age) == 5)
        first = list(made.wires)
        for number in numbers:
            os.close(number)
        await made.open(3)
        await until(lambda: made.standing == 5)

        assert not any(_closed(wire) for wire in first)


@pytest.mark.slow
async def test_C4_who_has_served_is_known_however_many_came_and_went() -> None:
    """A quiet connection outlives a thousand short ones, and then a crowd at its own address."""
    async with served(connections=50, connections_per_peer=5) as made:
        channel = await made.ask()
        crowd = made.server._crowd
        for turn in range(20):
            for port in range(50):
                crowd.served(f"ipv4:127.0.7.1:{1_024 + 50 * turn + port}")
            await until(lambda: len(crowd._served) < 5)
        await made.open(8, source="127.0.0.1")
        await until(lambda: made.standing <= 4)
        await made.ask(channel)

        assert made.standing == 4
        assert len(made.channels) == 1
