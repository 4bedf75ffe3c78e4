"""Says hello to the coordinator once and hangs up: is it there, does it take us, what time is it?

For an agent that does not run: a second stream of a running agent would displace the first.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import grpc

from edge_agent.errors import LinkError
from edge_agent.uplink import codec
from edge_agent.uplink.channel import LinkSettings, open_channel
from edge_agent.uplink.credentials import shown_now
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1.edge_service_pb2_grpc import EdgeServiceStub


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the welcome said; `skew_s` is the coordinator's system time minus ours."""

    district_id: str
    skew_s: float


async def greet(settings: LinkSettings, spool_id: str) -> Greeting:
    """The coordinator's welcome; raises `LinkError`, whose text says what stood in the way.

    The hello names no piles and no fences, so that it changes nothing there.
    """
    sent_at_ms = time.time_ns() // 1_000_000
    hello = codec.to_hello(settings.agent_id, [], (spool_id, 1), {}, settings.clock, sent_at_ms)
    try:
        async with asyncio.timeout(settings.reply_timeout_s):
            async with open_channel(settings.coordinator, shown_now(settings)) as channel:
                call: Any = EdgeServiceStub(channel).Connect()
                await call.write(edge.ConnectRequest(hello=hello))
                message = await call.read()
                if message is grpc.aio.EOF:
                    raise LinkError(f"{await call.code()}: {await call.details()}")
                call.cancel()
    except grpc.aio.AioRpcError as error:
        raise LinkError(f"{error.code().name}: {error.details()}") from error
    except TimeoutError as error:
        raise LinkError(f"no answer within {settings.reply_timeout_s:g} s") from error
    except (OSError, asyncio.InvalidStateError) as error:
        raise LinkError(str(error)) from error
    if message.WhichOneof("message") == "go_away":
        raise LinkError(f"it says go away: {message.go_away.reason}")
    welcome = message.welcome
    skew_s = (welcome.server_time.ToMilliseconds() - time.time_ns() // 1_000_000) / 1000.0
    return Greeting(welcome.district_id, skew_s)
