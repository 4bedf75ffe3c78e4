"""Claims at the district that owns an EVSE, and sees to it that claims of no use end there.

A claim of which the outcome is unknown may stand: it is released until its district has answered,
or until it has lapsed by itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import uuid_utils

from coordinator.core.vehicle import WarningLevel
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as wire

log = structlog.get_logger()

SETTLE_S = 1_800.0  # link time; by then an unrenewed lease has ended by itself
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is claimed for whom; `revision` is the one under which the car is told."""

    request: charging.RecommendRequest
    signed_vip: bool
    recommendation_id: str
    level: WarningLevel
    revision: int = 1
    ttl_s: float = 30.0


class Claiming:
    """Calls that hold and free; runs what is left to be freed."""

    def __init__(self, directory: Directory, link_s: Callable[[], float]) -> None:
        self._directory = directory
        self._link_s = link_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.unsettled: Counter[str] = Counter()  # claims by district that are to be freed yet

    async def claim(self, district: str, evse_id: str, wish: Wish) -> wire.ClaimResponse:
        """Granted or refused; raises `DistrictAway`, and then nothing stays held for long."""
        claim = wire.ClaimRecord(
            claim_id=str(uuid_utils.uuid7()),
            evse_id=evse_id,
            vehicle_id=wish.request.vehicle_id,
            level=int(wish.level),  # type: ignore[arg-type]  # the same numbers
            revision=wish.revision,
            recommendation_id=wish.recommendation_id,
        )
        request = wire.ClaimRequest(
            claim=claim, ttl_s=wish.ttl_s, request=wish.request, signed_vip=wish.signed_vip
        )
        try:
            answer: wire.ClaimResponse = await self._directory[district].ask("Claim", request)
        except BaseException:  # also who hung up: the claim may have been made
            self.settle(district, claim.claim_id)
            raise
        return answer

    async def confirm(self, district: str, recommendation_id: str) -> charging.Promise:
        """The firm promise at a district; raises `DistrictAway` and `Relayed`."""
        request = charging.ConfirmRequest(recommendation_id=recommendation_id)
        answer: charging.ConfirmResponse = await self._directory[district].pass_on(
            "Confirm", request
        )
        return answer.promise

    def settle(self, district: str, claim_id: str) -> None:
        """Has a claim released, however long its district takes to answer."""
        if not claim_id or district not in self._directory.links:
            return
        self.unsettled[district] += 1
        task = asyncio.create_task(self._settle(district, claim_id), name="coordinator:settle")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, district: str, claim_id: str) -> None:
        link, end_s = self._directory[district], self._link_s() + SETTLE_S
        request = wire.DistrictServiceReleaseRequest(claim_id=claim_id, reason="MOVED")
        try:
            while self._link_s() < end_s:
                try:
                    await link.ask("Release", request)
                    return
                except DistrictAway:
                    await asyncio.sleep(AGAIN_S)
                except Relayed as error:
                    log.warning("claim not released", district=district, why=str(error))
                    return
        finally:
            self.unsettled[district] -= 1

    async def close(self) -> None:
        """Ends; leases end what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
