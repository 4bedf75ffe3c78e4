"""What a district refused, passed on to the car with the district's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from coordinator.errors import Permanent


@dataclass(frozen=True)
class Status(grpc.Status):
    """A status as `context.abort` takes it."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: Any


class Relayed(Permanent):
    """A district has answered, and its answer was no."""

    def __init__(self, district: str, error: grpc.aio.AioRpcError) -> None:
        super().__init__(f"district {district}: {error.details()}")
        metadata = [
            (key, value)
            for key, value in error.trailing_metadata() or ()
            if key == "grpc-status-details-bin"
        ]
        self.status = Status(error.code(), error.details() or "", tuple(metadata))
