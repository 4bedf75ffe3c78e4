"""A car that asks a coordinator for a pile and follows what it is told, without an event loop.

The promise is followed by a thread; every change is kept in `told`.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns
from pytest_pilewise.clock import BenchClock
from pytest_pilewise.expectation import wait_until

CALL_S = 10.0
_PLUGS = ("IEC_62196_T2", "IEC_62196_T2_COMBO", "GBT_DC", "GBT_AC")


@dataclass(frozen=True, slots=True)
class Told:
    """The newest promise: which EVSE, the how many-eth revision, and why it changed."""

    evse_id: str
    revision: int
    reason: str = ""
    moved_from: str = ""

    def line(self) -> str:
        """It for people, in one line."""
        why = f", moved from {self.moved_from} ({self.reason})" if self.moved_from else ""
        return f"promise of {self.evse_id or 'nothing'}, revision {self.revision}{why}"


class Car:
    """One car; `promise` is what it was told last."""

    def __init__(
        self,
        channel: grpc.Channel,
        vehicle_id: str,
        battery_kwh: float,
        at: tuple[float, float],
        clock: BenchClock,
    ) -> None:
        self.vehicle_id = vehicle_id
        self.at = at
        self.told: list[str] = []
        self.promise = Told("", 0)
        self._battery_kwh = battery_kwh
        self._clock = clock
        self._stub = rpc.ChargingServiceStub(channel)
        self._out: queue.SimpleQueue[pb.GuideRequest | None] = queue.SimpleQueue()
        self._guide: Any = None
        self._recommendation_id = ""

    def ask(self, *, soc_pct: float = 30.0, target_soc_pct: float = 80.0) -> Told:
        """Asks for a pile, confirms it and follows the promise; an empty evse_id means none."""
        plugs = [nouns.ConnectorStandard.Value(f"CONNECTOR_STANDARD_{name}") for name in _PLUGS]
        request = pb.RecommendRequest(
            request_id=str(uuid.uuid4()),
            vehicle_id=self.vehicle_id,
            vehicle=pb.VehicleProfile(battery_kwh=self._battery_kwh, connectors=plugs),
            soc_pct=soc_pct,
            target_soc_pct=target_soc_pct,
            position=self._position(),
        )
        answer = self._stub.Recommend(request, timeout=CALL_S)
        if answer.HasField("promise"):
            self._take(answer.promise)
            self._recommendation_id = answer.promise.recommendation_id
            self._follow(soc_pct)
        else:
            self.told.append(
                f"{self.vehicle_id}: nothing, {answer.empty_reason}: {answer.empty_text}"
            )
        return self.promise

    def expect(self, *, within_s: float, **conditions: Any) -> float:
        """Seconds until the promise is so; raises NotMet.

        Conditions are fields of `Told`, e.g. `evse_id=other.evse_id()` or a function of it.
        """
        __tracebackhide__ = True
        return wait_until(self.vehicle_id, lambda: self.promise, conditions, within_s, self._clock)

    def close(self) -> None:
        """Hangs up."""
        self._out.put(None)
        if self._guide is not None:
            self._guide.cancel()

    def _follow(self, soc_pct: float) -> None:
        here = pb.Progress(position=self._position(), soc_pct=soc_pct)
        opening = pb.GuideOpen(
            recommendation_id=self._recommendation_id,
            known_revision=self.promise.revision,
            progress=here,
        )
        self._out.put(pb.GuideRequest(open=opening))
        self._guide = self._stub.Guide(self._sayings())
        thread = threading.Thread(
            target=self._listen, name=f"pilewise:car {self.vehicle_id}", daemon=True
        )
        thread.start()

    def _sayings(self) -> Iterator[pb.GuideRequest]:
        while (message := self._out.get()) is not None:
            yield message

    def _listen(self) -> None:
        try:
            for event in self._guide:
                kind = event.WhichOneof("message")
                if kind == "promise":
                    self._take(event.promise)
                elif kind == "closed":
                    self.told.append(f"{self.vehicle_id}: closed, {event.closed}")
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                self.told.append(f"{self.vehicle_id}: cut off, {error.code().name}")

    def _take(self, promise: pb.Promise) -> None:
        change = promise.change
        self.promise = Told(
            promise.choice.evse.evse_id, promise.revision, change.code, change.from_evse_id
        )
        self.told.append(f"{self.vehicle_id}: {self.promise.line()}")
        if promise.HasField("accept_before"):
            # A car that refused would hold up what a test waits for.
            decision = pb.GuideDecision(revision=promise.revision, accepted=True)
            self._out.put(pb.GuideRequest(decision=decision))

    def _position(self) -> nouns.Position:
        return nouns.Position(latitude_deg=self.at[0], longitude_deg=self.at[1])
