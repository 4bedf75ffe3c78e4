"""The gRPC doors: every method of the five services, with bytes instead of messages.

A door is one service; streams are scripts of frames, in `grpc_streams.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from bench.fuzz import grpc_streams
from bench.fuzz.district import District
from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.message import Maker
from bench.fuzz.rpc_words import judged
from bench.fuzz.wire import mutated, noise
from pilewise.v1 import (
    bench_service_pb2,
    charging_service_pb2,
    district_service_pb2,
    edge_service_pb2,
    operator_service_pb2,
)

SERVICES: dict[str, ServiceDescriptor] = {
    "grpc/charging": charging_service_pb2.DESCRIPTOR.services_by_name["ChargingService"],
    "grpc/edge": edge_service_pb2.DESCRIPTOR.services_by_name["EdgeService"],
    "grpc/operator": operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"],
    "grpc/district": district_service_pb2.DESCRIPTOR.services_by_name["DistrictService"],
    "grpc/bench": bench_service_pb2.DESCRIPTOR.services_by_name["BenchService"],
}
# How often a method is drawn, where it is not once: what is asked most, what takes long, what ends
# the piles that all others need.
OFTEN = {
    "Recommend": 4.0,
    "Guide": 4.0,
    "Connect": 12.0,
    "UpdateProgress": 2.0,
    "RetirePile": 0.1,
    "Watch": 0.3,
    "WatchClaims": 0.3,
    "Export": 0.3,
    "ActivateModel": 0.3,
    "RunScenario": 0.3,
    "UpdateKnowledgeMap": 0.3,
    "GetFrames": 0.1,
    "Command": 0.5,
    "SetPower": 0.3,
}
ANSWER_S = 20.0
# After 20 inputs that are no message at all the server looks at no more of that connection.
STRIKES = 12
NO_MESSAGE = "is not a valid"
TOO_RUDE = "messages of this peer that are none"


class GrpcDoor:
    """One service at one address."""

    lanes = 16

    def __init__(
        self, name: str, address: Callable[[], str], district: District, at_ms: int
    ) -> None:
        self.name = name
        self._service = SERVICES[name]
        self._address = address
        self._district = district
        self._at_ms = at_ms
        self._lines: asyncio.Queue[Line] = asyncio.Queue()

    async def open(self) -> None:
        """Has a line ready for each lane."""
        for _ in range(self.lanes):
            self._lines.put_nowait(Line(self._address()))

    async def close(self) -> None:
        """Hangs up."""
        while not self._lines.empty():
            await self._lines.get_nowait().close()

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many inputs over all methods."""
        methods = list(self._service.methods)
        weights = [OFTEN.get(method.name, 1.0) for method in methods]
        for kind in kinds(rng, count):
            method = rng.choices(methods, weights)[0]
            yield Input(self.name, method.name, kind, self._frames(rng, method, kind))

    def _frames(
        self, rng: random.Random, method: MethodDescriptor, kind: Kind
    ) -> tuple[bytes, ...]:
        if method.client_streaming:
            return grpc_streams.script(rng, method, kind, self._at_ms)
        return (frame_of(rng, method.input_type, kind, self._at_ms),)

    async def send(self, item: Input) -> Outcome:
        """What became of an input; one that was not looked at is sent again from elsewhere."""
        line = await self._lines.get()
        try:
            outcome = await self._sent(line, item)
            if TOO_RUDE in outcome.note:
                await line.renew()
                outcome = await self._sent(line, item)
            elif NO_MESSAGE in outcome.note:
                await line.strike()
            return outcome
        finally:
            self._lines.put_nowait(line)

    async def _sent(self, line: Line, item: Input) -> Outcome:
        method = self._service.methods_by_name[item.target]
        frames = [self._district.filled(frame) for frame in item.frames]
        path = f"/{self._service.full_name}/{method.name}"
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._call(line.channel, path, method, frames)
        except grpc.aio.AioRpcError as error:
            return judged(error)
        except TimeoutError:
            return Outcome("no answer", "hang")

    async def _call(
        self, channel: Any, path: str, method: MethodDescriptor, frames: list[bytes]
    ) -> Outcome:
        if method.client_streaming:
            return await grpc_streams.converse(channel.stream_stream(path), frames)
        if method.server_streaming:
            return await grpc_streams.listen(channel.unary_stream(path), frames[0])
        await channel.unary_unary(path)(frames[0])
        return Outcome("OK")


class Line:
    """A connection of its own; a new one before the server has had enough of it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._strikes = 0
        self.channel = self._dialled()

    def _dialled(self) -> grpc.aio.Channel:
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        return grpc.aio.insecure_channel(self._address, options=options)

    async def strike(self) -> None:
        """Counts something that was no message at all."""
        self._strikes += 1
        if self._strikes >= STRIKES:
            await self.renew()

    async def renew(self) -> None:
        """Hangs up and dials again."""
        await self.close()
        self.channel = self._dialled()
        self._strikes = 0

    async def close(self) -> None:
        """Hangs up."""
        await self.channel.close()


def frame_of(rng: random.Random, kind_of: Any, kind: Kind, at_ms: int) -> bytes:
    """One message of this type, as bytes."""
    if kind == "random":
        return noise(rng)
    hostility = rng.choice((0.1, 0.3, 0.8)) if kind == "hostile" else 0.0
    raw = Maker(rng, at_ms, hostility).make(kind_of).SerializeToString()
    return mutated(rng, raw) if kind == "mutated" else raw
