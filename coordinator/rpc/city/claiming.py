"""Claims at the district that owns an EVSE, and sees to it that claims of no use end there.

A claim of which the outcome is unknown may stand: it is released until its district has answered,
or until it has lapsed by itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import structlog
import uuid_utils

from coordinator.core.vehicle import WarningLevel
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as wire

log = structlog.get_logger()

FIRM = (wire.CLAIM_STATE_CONFIRMED, wire.CLAIM_STATE_OCCUPIED)
SETTLE_S = 25 * 3_600.0  # link time; by then any lease, windows of a day included, has ended
AGAIN_S, LONGEST_AGAIN_S = 2.0, 30.0


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

    async def firm(self, district: str, claim_id: str) -> bool:
        """Whether the district makes a claim firm; raises `DistrictAway` and `Relayed`."""
        request = wire.DistrictServiceConfirmRequest(claim_id=claim_id)
        answer: wire.DistrictServiceConfirmResponse = await self._directory[district].ask(
            "Confirm", request
        )
        return answer.claim.state in FIRM

    def settle(
        self,
        district: str,
        claim_id: str,
        recommendation_id: str = "",
        unless: Callable[[], bool] = lambda: False,
    ) -> None:
        """Has a claim released, however long its district takes to answer.

        With `recommendation_id` the promise ends there, too: without a place it would look for one,
        and the claim may be another by now. Nothing is done once `unless` holds.
        """
        if not (claim_id or recommendation_id) or district not in self._directory.links:
            return
        self.unsettled[district] += 1
        task = asyncio.create_task(
            self._settle(district, claim_id, recommendation_id, unless), name="coordinator:settle"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(
        self, district: str, claim_id: str, recommendation_id: str, unless: Callable[[], bool]
    ) -> None:
        end_s, again_s = self._link_s() + SETTLE_S, AGAIN_S
        try:
            while self._link_s() < end_s and not unless():
                try:
                    await self._free(district, claim_id, recommendation_id)
                    return
                except DistrictAway:
                    pass
                except Relayed as error:
                    if error.status.code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        log.warning("claim not released", district=district, why=str(error))
                        return
                await asyncio.sleep(again_s)
                again_s = min(2.0 * again_s, LONGEST_AGAIN_S)
        finally:
            self.unsettled[district] -= 1

    async def _free(self, district: str, claim_id: str, recommendation_id: str) -> None:
        link = self._directory[district]
        if claim_id:
            request = wire.DistrictServiceReleaseRequest(claim_id=claim_id, reason="MOVED")
            await link.ask("Release", request)
        if recommendation_id:
            ended = charging.ReleaseRequest(recommendation_id=recommendation_id)
            await link.pass_on("Release", ended)

    async def close(self) -> None:
        """Ends; leases end what is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
