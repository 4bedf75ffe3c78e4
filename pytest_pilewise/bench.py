"""The simulator as seen from a test: a process, a channel, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from pilewise.v1 import bench_service_pb2_grpc as rpc
from pytest_pilewise.clock import BenchClock
from pytest_pilewise.errors import BenchError, BenchRefused
from pytest_pilewise.process import Room, toml

CALL_S = 30.0
# What may have days to compute.
LONG_CALL_S = 600.0
_LONG = ("Advance", "RunScenario")


class Bench:
    """BenchService of one simulator, with plain calls."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address)
        self._stub = rpc.BenchServiceStub(self._channel)

    def ask(self, method: str, request: Any) -> Any:
        """The answer; raises BenchRefused with the simulator's reason, BenchError if it is gone."""
        __tracebackhide__ = True
        try:
            limit_s = LONG_CALL_S if method in _LONG else CALL_S
            return getattr(self._stub, method)(request, timeout=limit_s)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise BenchError(f"no simulator answers at {self.address}: {code.name}") from error
            raise BenchRefused(method, code.name, error.details() or "") from error

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()


def simulator_config(clock: BenchClock, pile: dict[str, Any], seed: int) -> str:
    """TOML of a simulator with this one pile, on this clock."""
    mode = "stepped" if clock.stepped else "live"
    lines = [f'[sim]\nbench = "127.0.0.1:0"\nmode = "{mode}"\nseed = {seed}\ntick_s = 0.05']
    epoch = clock.now_ms if clock.stepped else clock.epoch_at_ms
    speed = "" if clock.stepped else f"speed = {clock.speed}\n"
    lines.append(f"[clock]\nepoch_at_ms = {epoch}\nanchor_s = {clock.anchor_s}\n{speed}")
    lines.append("[[pile]]")
    lines += [f"{name} = {toml(value)}" for name, value in pile.items()]
    return "\n".join(lines) + "\n"


def start_simulator(
    clock: BenchClock, pile: dict[str, Any], folder: Path, seed: int
) -> tuple[Room, Bench]:
    """A running simulator of one pile, and its bench."""
    room = Room("firmware_sim", f"sim-{pile['pile_id']}", folder)
    ready = room.start(simulator_config(clock, pile, seed))
    return room, Bench(str(ready["bench"]))
