"""Where the register view gets its piles from and sends its commands to: a BenchService."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Any, Self

import grpc

from pilewise.cli.bench_view.rows import FLASH_S, Row
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2

CALL_S = 5.0


class Refused(Exception):
    """The bench does not do what was asked; the text is its reason."""


@dataclass(frozen=True, slots=True)
class Plug:
    """One EVSE for the list: its name, what it does, in words."""

    evse_id: str
    status: str
    line: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One pile for the list."""

    pile_id: str
    model: str
    face: str
    address: str
    plugs: tuple[Plug, ...]


class Source:
    """A bench at host:port. Every call raises Refused, or ConnectionError where nobody answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = rpc.BenchServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        await self._ask("GetClock", pb.GetClockRequest())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def piles(self) -> list[Shown]:
        """All piles, by name."""
        answer = await self._ask("ListPiles", pb.BenchServiceListPilesRequest())
        return [
            Shown(p.pile_id, p.model, p.face, p.address, tuple(_plug(e) for e in p.evses))
            for p in answer.piles
        ]

    async def rows(self, pile_id: str) -> list[Row]:
        """The registers of a pile, field by field; none for a pile that speaks OCPP."""
        clock = await self._ask("GetClock", pb.GetClockRequest())
        request = pb.ReadRegistersRequest(pile_id=pile_id)
        found = (await self._ask("ReadRegisters", request)).registers
        fields = groupby(found, key=lambda r: (r.function_code, r.socket, r.name))
        flash_ms = FLASH_S * 1000 * max(clock.speed, 1.0)
        return [_row(list(words), clock.domain_at_ms - flash_ms) for _, words in fields]

    async def faults(self) -> list[str]:
        """Everything that can be injected, parts first."""
        answer = await self._ask("ListFaults", pb.ListFaultsRequest())
        parts = [fault.name for fault in answer.faults]
        return [*parts, *answer.wire_faults, *answer.ocpp_faults]

    async def clock(self) -> str:
        """How time runs, in words."""
        told = await self._ask("GetClock", pb.GetClockRequest())
        return "stepped" if told.stepped else f"x{told.speed:g}"

    async def plug_in(self, evse_id: str) -> None:
        """Connects a usual car, half full."""
        await self._ask("PlugIn", pb.PlugInRequest(evse_id=evse_id, soc_pct=50.0))

    async def unplug(self, evse_id: str) -> None:
        """Takes the cable out."""
        await self._ask("Unplug", pb.UnplugRequest(evse_id=evse_id))

    async def inject(self, evse_id: str, fault: str, duration_s: float = 0.0) -> str:
        """Breaks something, for so many domain seconds or for good; the state after."""
        request = pb.InjectFaultRequest(evse_id=evse_id, fault=fault, duration_s=duration_s)
        return _plug((await self._ask("InjectFault", request)).state).line

    async def clear(self, evse_id: str, fault: str = "") -> str:
        """Mends one fault, or everything; the state after."""
        request = pb.ClearFaultRequest(evse_id=evse_id, fault=fault)
        return _plug((await self._ask("ClearFault", request)).state).line

    async def advance(self, duration_s: float) -> None:
        """Moves a stepped clock."""
        await self._ask("Advance", pb.AdvanceRequest(duration_s=duration_s))

    async def reset(self, pile_id: str) -> None:
        """Puts a pile back to its factory state."""
        await self._ask("Reset", pb.ResetRequest(pile_id=pile_id))

    async def _ask(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            code, why = error.code(), error.details() or error.code().name
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise ConnectionError(f"no bench answers at {self.address}") from error
            raise Refused(why) from error


def _plug(state: pb.SimulatedState) -> Plug:
    status = types_pb2.OcppStatus.Name(state.ocpp_status).removeprefix("OCPP_STATUS_")
    letter = types_pb2.Iec61851State.Name(state.iec61851_state).removeprefix("IEC61851_STATE_")
    parts = [state.evse_id, letter, status, f"{state.power_kw:.2f} kW"]
    parts += [f"{state.soc_pct:.1f} %"] if state.HasField("soc_pct") else []
    parts += [", ".join(state.faults)] if state.faults else []
    return Plug(state.evse_id, status, "  ".join(parts))


def _row(words: list[pb.Register], news_since_ms: float) -> Row:
    first = words[0]
    return Row(
        function=first.function_code,
        address=first.address,
        name=first.name,
        words=tuple(word.word for word in words),
        value=None if first.without_value else first.value,
        unit=first.unit,
        writer=first.writer,
        age_s=first.age_s,
        fresh=first.changed_at_ms > news_since_ms,
    )
