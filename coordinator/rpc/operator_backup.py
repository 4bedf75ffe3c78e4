"""`OperatorService`: a backup while running, and fences that are lifted after a restore.

How a backup is made is in `store/backup.py`; what is paused while fences are behind in `parts.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc.server import Context
from coordinator.usecases.events import Events
from coordinator.usecases.fences import Fences
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

ADVANCE_LIMIT = 10**15

Backup = Callable[[Path, float, threading.Event], Path]
"""Writes a backup to a file or folder, with its system instant; gives back its path."""


class OperatorBackup(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that copies the store; set `backup`."""

    backup: Backup
    _district: District
    _fences: Fences
    _events: Events
    _clock: Clock

    async def Backup(  # noqa: N802 - the contract
        self, request: op.BackupRequest, context: Context
    ) -> op.BackupResponse:
        """Copies the whole data directory into one file; work goes on meanwhile."""
        place = Path(request.path)
        if not place.is_absolute() or "\0" in request.path:
            fault = "must be a file or a folder on the coordinator's host, from the root"
            raise FieldInvalid(FieldFault("path", fault))
        cancelled = threading.Event()
        try:
            path = await asyncio.to_thread(self.backup, place, self._clock.system_s(), cancelled)
        except asyncio.CancelledError:
            cancelled.set()  # the thread removes what it has written
            raise
        self._events.add("STORE", f"backup written to {path}")
        return op.BackupResponse(files=[str(path)])

    async def AdvanceFence(  # noqa: N802 - the contract
        self, request: op.AdvanceFenceRequest, context: Context
    ) -> op.AdvanceFenceResponse:
        """Lifts the fences of all EVSEs past what agents know; grants go on from then."""
        if not 1 <= request.by <= ADVANCE_LIMIT:
            raise FieldInvalid(FieldFault("by", f"must be within 1 to {ADVANCE_LIMIT}"))
        evse_ids = self._district.evse_ids
        count = await self._fences.advance(evse_ids, request.by, self._clock.system_s())
        return op.AdvanceFenceResponse(evse_count=count)
