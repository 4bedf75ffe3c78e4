"""`OperatorService`: the live picture, events and indexes.

What operators put in is in `operator_lists.py`, what they have done at piles in
`operator_commands.py`. Methods that no file has answer UNIMPLEMENTED;
others may be added by one more mixin where `app.py` composes the servicer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.rpc import operator_codec as codec
from coordinator.rpc.noun_codec import page_start, seconds, timestamp
from coordinator.rpc.server import Context
from coordinator.usecases.counters import Counters
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.events import Events
from coordinator.usecases.fences import Fences
from coordinator.usecases.indexes_now import Happened
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.telemetry import TelemetryStore
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

PAGE_DEFAULT = 100
PAGE_LIMIT = 1_000
AT_ONCE = 50


class OperatorLive(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that shows."""

    def __init__(
        self,
        inventory: Inventory,
        view: DistrictView,
        store: TelemetryStore,
        links: AgentLinks,
        fences: Fences,
        events: Events,
        counters: Counters,
        clock: Clock,
    ) -> None:
        # The live claim of an EVSE as a ClaimRecord, or None; whoever keeps claims sets it.
        self.claim_of: Callable[[str], Any] = lambda evse_id: None
        # What happened in a window, for GetIndexes; whoever keeps sessions sets it.
        self.happened: Happened | None = None
        self._started_at_s = clock.now_s()
        # Names and versions for GetIndexes, e.g. of the models served.
        self.facts: dict[str, str] = {}
        self._inventory = inventory
        self._district: District = inventory.district
        self._view = view
        self._store = store
        self._links = links
        self._fences = fences
        self._events = events
        self._counters = counters
        self._clock = clock

    async def ListDistricts(  # noqa: N802 - the contract
        self, request: op.ListDistrictsRequest, context: Context
    ) -> op.ListDistrictsResponse:
        """None: a district has none below it."""
        return op.ListDistrictsResponse()

    async def ListPiles(  # noqa: N802 - the contract
        self, request: op.OperatorServiceListPilesRequest, context: Context
    ) -> op.OperatorServiceListPilesResponse:
        """One page of the live picture."""
        statuses = self._view.statuses()
        rows = np.arange(statuses.size)
        if request.statuses:
            rows = rows[np.isin(statuses[rows], list(request.statuses))]
        if request.station_ids:
            known = self._district.station_row
            stations = [known[s] for s in request.station_ids if s in known]
            rows = rows[np.isin(self._district.station[rows], stations)]
        picked, token = page(rows.tolist(), request.page)
        return op.OperatorServiceListPilesResponse(
            evses=await self._shown([self._district.evse_ids[row] for row in picked]),
            next_page_token=token,
            as_of=timestamp(self._clock.now_s()),
        )

    async def _shown(self, evse_ids: list[str]) -> list[op.LiveEvse]:
        """These EVSEs for the wire, a few at a time so that nobody else waits long."""
        shown: list[op.LiveEvse] = []
        for start in range(0, len(evse_ids), AT_ONCE):
            for evse_id in evse_ids[start : start + AT_ONCE]:
                row = self._district.row.get(evse_id)  # rows move when stations are put in
                if row is not None:
                    claim = self.claim_of(evse_id)
                    shown.append(codec.from_live(self._view.one(row), claim))
            await asyncio.sleep(0)
        return shown

    async def Watch(  # noqa: N802 - the contract
        self, request: op.OperatorServiceWatchRequest, context: Context
    ) -> AsyncIterator[op.OperatorServiceWatchResponse]:
        """Events as they happen."""
        # Headers at once: who watches knows then that nothing later is missed.
        await context.send_initial_metadata(())
        kinds = frozenset(request.kinds)
        async for event in self._events.watch(request.after_event_id, kinds):
            yield codec.from_event(event)

    async def GetIndexes(  # noqa: N802 - the contract
        self, request: op.GetIndexesRequest, context: Context
    ) -> op.GetIndexesResponse:
        """Counts since the start, gauges of now, and the indexes of the window asked for."""
        statuses = self._view.statuses()
        indexes = dict(self._counters.values())
        indexes["evses"] = float(statuses.size)
        for name, number in codec.status_names():
            indexes[name] = float(np.count_nonzero(statuses == number))
        indexes["agents_connected"] = float(len(self._links.open))
        indexes |= await self._of_window(request)
        return op.GetIndexesResponse(
            indexes=indexes, as_of=timestamp(self._clock.now_s()), facts=self.facts
        )

    async def _of_window(self, request: op.GetIndexesRequest) -> dict[str, float]:
        """What happened in the window, else since the start; empty where nobody knows."""
        from_s, to_s = self._started_at_s, self._clock.now_s()
        if request.HasField("window"):
            window = request.window
            from_s = seconds(window.from_at) if window.HasField("from_at") else from_s
            to_s = seconds(window.to_at) if window.HasField("to_at") else to_s
            if from_s >= to_s:
                raise FieldInvalid(FieldFault("window", "from_at must lie before to_at"))
        return {} if self.happened is None else await self.happened.between(from_s, to_s)


def page(entries: Any, request: nouns.PageRequest) -> tuple[list[Any], str]:
    """One page of the entries in order, and the token of the next; empty if it is the last.

    Entries are sorted, and the token is the number of those before the page.
    """
    size = min(request.page_size or PAGE_DEFAULT, PAGE_LIMIT)
    start = page_start(request.page_token)
    ordered: Sequence[Any] = sorted(entries)
    token = str(start + size) if start + size < len(ordered) else ""
    return list(ordered[start : start + size]), token
