"""A raw agent for tests: speaks EdgeService with messages made by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

TIMEOUT_S = 10.0


def pile(pile_id: str, station_id: str = "S1") -> nouns.PileFacts:
    """A pile with one EVSE and a place."""
    return nouns.PileFacts(
        pile_id=pile_id,
        station_id=station_id,
        position=nouns.Position(latitude_deg=22.5, longitude_deg=114.0),
        evses=[
            nouns.Evse(
                evse_id=f"{pile_id}*1",
                connectors=[
                    nouns.Connector(
                        connector_id="1",
                        standard=nouns.CONNECTOR_STANDARD_GBT_DC,
                        power_type=nouns.POWER_TYPE_DC,
                        max_power_kw=60,
                    )
                ],
            )
        ],
    )


def batch(
    spool_id: str,
    first: int,
    evse_ids: Sequence[str],
    statuses: Sequence[int] | None = None,
    *,
    at_ms: int | None = None,
    power_kw: Sequence[float] | None = None,
) -> edge.ReportBatch:
    """One STATUS row for each EVSE id given, repetitions included, 1 ms apart."""
    names = sorted(set(evse_ids))
    count = len(evse_ids)
    start_ms = int(time.time() * 1000) - count if at_ms is None else at_ms
    made = edge.ReportBatch(
        spool_id=spool_id,
        first_record_seq=first,
        record_count=count,
        evse_ids=names,
        evse_index=[names.index(evse_id) for evse_id in evse_ids],
        kind=[edge.RECORD_KIND_STATUS] * count,
        observed_at_ms=range(start_ms, start_ms + count),
        status=statuses or [nouns.EVSE_STATUS_AVAILABLE] * count,  # type: ignore[arg-type]
        source=[nouns.STATUS_SOURCE_MODBUS] * count,
    )
    if power_kw is not None:
        made.power_kw.values.extend(power_kw)
    return made


class WireAgent:
    """One open Connect stream."""

    def __init__(
        self,
        address: str,
        agent_id: str = "agent-1",
        spool_id: str = "spool-1",
        piles: Sequence[nouns.PileFacts] = (),
        channel: grpc.aio.Channel | None = None,
        **hello: Any,
    ) -> None:
        self._channel = channel or grpc.aio.insecure_channel(address)
        self._hello = edge.Hello(
            agent_id=agent_id, spool_id=spool_id, next_record_seq=1, piles=piles, **hello
        )
        self.call = edge_service_pb2_grpc.EdgeServiceStub(self._channel).Connect()
        self.welcome = edge.Welcome()

    async def __aenter__(self) -> Self:
        await self.send(edge.ConnectRequest(hello=self._hello))
        self.welcome = (await self.read()).welcome
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.call.cancel()
        await self._channel.close()

    async def send(self, message: edge.ConnectRequest) -> None:
        """Writes one message."""
        await asyncio.wait_for(self.call.write(message), TIMEOUT_S)

    async def report(self, report: edge.ReportBatch) -> edge.Ack:
        """The first ack after the batch was sent."""
        await self.send(edge.ConnectRequest(batch=report))
        return await self.ack()

    async def ack(self) -> edge.Ack:
        """The next ack; beats are skipped."""
        while True:
            message = await self.read()
            if message.HasField("ack"):
                return message.ack

    async def acked_through(self, sequence: int) -> edge.Ack:
        """The first ack that covers all numbers up to this one."""
        while (ack := await self.ack()).stored.acked_through < sequence:
            pass
        return ack

    async def read(self) -> edge.ConnectResponse:
        """The next message; raises `grpc.aio.AioRpcError` or `EOFError` at the end."""
        message = await asyncio.wait_for(self.call.read(), TIMEOUT_S)
        if message is grpc.aio.EOF:
            raise EOFError
        return message
