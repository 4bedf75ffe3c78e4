"""One district as its city calls it: a channel, a limit, a breaker, and what it tells of itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import structlog

from coordinator.config_city import CitySection
from coordinator.core.city import Area
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.breaker import Breaker
from coordinator.usecases.refusals import DistrictAway
from coordinator.usecases.trace import HEADER as TRACE_HEADER
from coordinator.usecases.trace import TRACE
from pilewise.dialling import Metadata, bearing, open_channel, token_file
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import district_service_pb2 as wire
from pilewise.v1 import district_service_pb2_grpc as rpc

log = structlog.get_logger()

SILENCE_S = 10.0  # of the summaries, after which the district counts as away
LONGEST_WAIT_S = 2.0  # between two tries to reach it
# What says that the district is not there, or not for us; anything else is its answer.
AWAY = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
# A district that was killed comes back within seconds; gRPC's own waits grow to two minutes.
OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class DistrictLink:
    """Calls one district; `summary` is the newest that it told, None before."""

    def __init__(
        self, name: str, address: str, settings: CitySection, link_s: Callable[[], float]
    ) -> None:
        self.name, self.address = name, address
        self.summary: wire.SummarizeResponse | None = None
        self.heard_s = float("-inf")  # link time of the newest summary
        self.why = "not reached yet"
        self.answered = self.failed = self.withheld = 0
        self._settings = settings
        self._link_s = link_s
        self._breaker = Breaker()
        self._under_way = 0
        ca_file = Path(settings.ca_file) if settings.ca_file else None
        self._token = token_file(Path(settings.token_file)) if settings.token_file else ""
        self._channel = open_channel(address, ca_file=ca_file, options=OPTIONS)
        self._district = rpc.DistrictServiceStub(self._channel)
        self._charging = charging_rpc.ChargingServiceStub(self._channel)

    @property
    def up(self) -> bool:
        """Whether it was heard of lately and its calls are not held back."""
        return not self.state

    @property
    def state(self) -> str:
        """Why it is not up; empty if it is."""
        held = self._breaker.holds_back(self._link_s())
        return self.why or ("it fails what it is asked" if held else "")

    @property
    def area(self) -> Area | None:
        """Where its stations are, as it told last; None if it never did, or has none."""
        summary = self.summary
        if summary is None or not summary.HasField("area"):
            return None
        box = summary.area
        return Area(box.south_deg, box.west_deg, box.north_deg, box.east_deg)

    async def find(self, request: wire.FindCandidatesRequest) -> wire.FindCandidatesResponse:
        """Its candidates, within the time that districts have for them."""
        found: wire.FindCandidatesResponse = await self._call(
            self._district.FindCandidates, request, self._settings.find_s
        )
        return found

    async def ask(self, method: str, request: Any, within_s: float | None = None) -> Any:
        """The answer of a method of `DistrictService`, within the usual time or this one.

        Raises `DistrictAway` if there is none in time, and `Relayed` if it is no.
        """
        within_s = self._settings.call_s if within_s is None else within_s
        return await self._call(getattr(self._district, method), request, within_s)

    async def pass_on(self, method: str, request: Any) -> Any:
        """The answer of a method of `ChargingService`; raises the same."""
        return await self._call(getattr(self._charging, method), request, self._settings.call_s)

    async def guide(self) -> grpc.aio.StreamStreamCall[charging.GuideRequest, Any]:
        """A guidance at this district, open for its first message."""
        return self._charging.Guide(metadata=await self._bearing())

    def away(self, error: Exception) -> DistrictAway:
        """What a broken stream says of the district; it is not the fault of any one call."""
        return DistrictAway(self.name, _words(error))

    async def _call(self, method: Any, request: Any, within_s: float) -> Any:
        settings = self._settings
        if self._under_way >= settings.calls_at_once:
            self.withheld += 1
            raise DistrictAway(self.name, f"{self._under_way} calls are under way there")
        if not self._breaker.allows(self._link_s()):
            self.withheld += 1
            raise DistrictAway(self.name, "it fails what it is asked")
        self._under_way += 1
        try:
            answer = await method(request, timeout=within_s, metadata=await self._bearing())
        except (grpc.aio.AioRpcError, OSError) as error:
            if isinstance(error, grpc.aio.AioRpcError) and error.code() not in AWAY:
                self._noted(answered=True)
                raise Relayed(self.name, error) from error
            self._noted(answered=False)
            log.info("district does not answer", district=self.name, why=_words(error))
            raise DistrictAway(self.name, _words(error)) from error
        finally:
            self._under_way -= 1
        self._noted(answered=True)
        return answer

    def _noted(self, *, answered: bool) -> None:
        if answered:
            self.answered += 1
            self._breaker.answered()
        else:
            self.failed += 1
            self._breaker.failed(self._link_s())

    async def _bearing(self) -> Metadata:
        proof, trace = await bearing(self._token), TRACE.get()
        if not trace:
            return proof
        return (*proof, (TRACE_HEADER, f"00-{trace}-{trace[16:]}-01"))

    async def watch(self) -> None:
        """Follows the district's summaries until cancelled."""
        attempt = 0
        while True:
            why = "its stream of summaries has ended"
            try:
                call = self._district.WatchSummary(
                    wire.WatchSummaryRequest(), metadata=await self._bearing()
                )
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        message = await call.read()
                    if not isinstance(message, wire.WatchSummaryResponse):
                        break
                    attempt = 0
                    self._heard(message.summary)
            except (grpc.aio.AioRpcError, TimeoutError, OSError) as error:
                why = _words(error)
            except Exception as error:  # one district must not end the city
                log.exception("district not followed", district=self.name)
                why = str(error)
            self._lost(why)
            attempt += 1
            await asyncio.sleep(random.uniform(0.1, min(LONGEST_WAIT_S, 0.2 * 2.0**attempt)))

    def _heard(self, summary: wire.SummarizeResponse) -> None:
        self.summary, self.heard_s = summary, self._link_s()
        if not self.why:
            return
        # It was away, so what failed then says nothing of now.
        self.why = ""
        self._breaker.answered()
        log.info("district is there", district=self.name)
        if summary.district_id != self.name:
            log.warning("district has another name", ours=self.name, its_own=summary.district_id)

    def _lost(self, why: str) -> None:
        if not self.why:
            log.warning("district is away", district=self.name, why=why)
        self.why = why

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()


def _words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    if isinstance(error, TimeoutError):
        return "nothing was heard in time"
    return str(error)
