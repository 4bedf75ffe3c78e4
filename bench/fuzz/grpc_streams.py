"""Streams over gRPC: scripts of frames, and how a side that only listens is heard."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor

from bench.fuzz import grpc_doors, values
from bench.fuzz.input import Kind, Outcome
from bench.fuzz.message import Maker
from bench.fuzz.wire import mutated
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import types_pb2 as nouns

# How long one waits for an answer that may never have to come.
LISTEN_S = 0.05
AGENTS = 40
MOST_ANSWERS = 3
# What grpc's client makes of a write into a call that has just been ended over there.
OWN_FAULT = "Internal error from Core"
PAUSES_S = (0.0, 0.03, 0.2)


def script(
    rng: random.Random, method: MethodDescriptor, kind: Kind, at_ms: int
) -> tuple[bytes, ...]:
    """A good beginning three times in four, then one to four frames of the kind."""
    frames: list[bytes] = []
    number = rng.randrange(AGENTS)
    if rng.random() < 0.75:
        frames.append(_beginning(rng, method, number).SerializeToString())
    for _ in range(rng.choice((1, 1, 2, 4))):
        if method.name == "Connect" and rng.random() < 0.5 and kind != "random":
            frames.append(_batch(rng, kind, at_ms, number))
        else:
            frames.append(grpc_doors.frame_of(rng, method.input_type, kind, at_ms))
    return tuple(frames)


def _beginning(rng: random.Random, method: MethodDescriptor, number: int) -> Any:
    if method.name == "Guide":
        opened = charging.GuideOpen(recommendation_id=rng.choice(values.LIVE))
        return charging.GuideRequest(open=opened)
    hello = edge.Hello(agent_id=f"fuzz-{number}", spool_id=f"spool-{number}", next_record_seq=1)
    pile = hello.piles.add(pile_id=f"F-{number}", station_id="S-A")
    plug = nouns.Connector(connector_id="1", standard=19, power_type=5, max_power_kw=60)
    pile.evses.add(evse_id=f"F-{number}*1", connectors=[plug])
    return edge.ConnectRequest(hello=hello)


def _batch(rng: random.Random, kind: Kind, at_ms: int, number: int) -> bytes:
    """A batch whose columns fit together, before it is spoiled; mostly of this agent's own."""
    count = rng.choice((1, 2, 5, 60))
    own = rng.random() < 0.9
    evses = [f"F-{number}*1"] if own else [f"F-{n}*1" for n in range(AGENTS)]
    batch = edge.ReportBatch(
        spool_id=f"spool-{number if own else rng.randrange(AGENTS)}",
        first_record_seq=rng.choice((1, 1, 2, 61, 500)),
        record_count=count,
        evse_ids=evses,
        evse_index=[rng.randrange(len(evses)) for _ in range(count)],
        kind=[rng.choice((1, 2, 3, 4, 5, 6, 7)) for _ in range(count)],
        observed_at_ms=[at_ms + n for n in range(count)],
        status=[rng.randrange(1, 10) for _ in range(count)],
        source=[rng.randrange(1, 7) for _ in range(count)],
        detail_index_plus_one=[rng.randrange(2) for _ in range(count)],
        details=[edge.RecordDetail(fault_code="CX001", session_id="s1")],
    )
    batch.power_kw.values.extend(rng.uniform(0, 60) for _ in range(count))
    batch.energy_kwh.values.extend(rng.uniform(0, 60) for _ in range(count))
    if kind == "hostile":
        _spoil(rng, batch, at_ms)
    raw = edge.ConnectRequest(batch=batch).SerializeToString()
    return mutated(rng, raw) if kind == "mutated" else raw


def _spoil(rng: random.Random, batch: edge.ReportBatch, at_ms: int) -> None:
    """Some columns with values that nobody should send, of the right length or not."""
    maker = Maker(rng, at_ms, 0.8)
    other = maker.make(edge.ReportBatch.DESCRIPTOR)
    names = [field.name for field, _ in other.ListFields()]
    for name in rng.sample(names, min(len(names), rng.choice((1, 2, 4)))):
        single = edge.ReportBatch.DESCRIPTOR.fields_by_name[name]
        if single.message_type is None and not single.is_repeated:
            setattr(batch, name, getattr(other, name))
            continue
        batch.ClearField(name)
        part = edge.ReportBatch()
        getattr(part, name).MergeFrom(getattr(other, name))
        batch.MergeFrom(part)
    for column in ("power_kw", "energy_kwh", "soc_pct", "temperature_c"):
        if rng.random() < 0.4:
            batch.ClearField(column)
            several = [rng.choice(values.FLOATS) for _ in range(batch.record_count % 500)]
            getattr(batch, column).values.extend(several)


async def converse(method: Any, frames: list[bytes]) -> Outcome:
    """What a stream came to whose frames were all sent, and which then was closed on our side.

    A client that writes while the other side ends the call loses the status and makes one of its
    own; then the frames are sent again, slowly. Whatever failed over there is in its log as well.
    """
    for pause_s in PAUSES_S:
        try:
            return await _conversed(method(), frames, pause_s)
        except grpc.aio.AioRpcError as error:
            if error.details() != OWN_FAULT:
                raise
    return Outcome("ended while written to")


async def _conversed(call: Any, frames: list[bytes], pause_s: float) -> Outcome:
    # The status comes only to those who read what came before it.
    reader = asyncio.create_task(_read_all(call), name="fuzz:read")
    try:
        with contextlib.suppress(asyncio.InvalidStateError):  # ended there; its status says why
            for frame in frames:
                if call.done():
                    break
                await call.write(frame)
                await asyncio.sleep(pause_s)
            if not call.done():
                await call.done_writing()
        code = await call.code()
        if code is grpc.StatusCode.OK:
            return Outcome("OK")
        trailing = await call.trailing_metadata()
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, await call.details())
    finally:
        call.cancel()
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def listen(method: Any, frame: bytes) -> Outcome:
    """What a side that tells came to; silence is an answer where nothing happens."""
    call = method(frame)
    try:
        for _ in range(MOST_ANSWERS):
            async with asyncio.timeout(LISTEN_S):
                if await call.read() is grpc.aio.EOF:
                    return Outcome("OK")
        return Outcome("OK, and more")
    except TimeoutError:
        return Outcome("listening")
    finally:
        call.cancel()
