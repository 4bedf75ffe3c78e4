"""Defects put in on purpose, to see that the simulator finds them; nothing else uses them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final
from unittest import mock

Patches = Callable[[], contextlib.AbstractContextManager[Any]]


def _ack_before_commit() -> contextlib.AbstractContextManager[Any]:
    """The coordinator acknowledges a group while its commit is on its way."""
    from coordinator.usecases.ingest import Ingest

    prepare = Ingest._prepare

    def early(self: Ingest, taken: Any) -> Any:
        group = prepare(self, taken)
        self._spools.update(group.stored.spools)
        for link, spool_id, refusals in group.acks:
            link.acknowledge(spool_id, refusals)
        return group

    return mock.patch.object(Ingest, "_prepare", early)


def _no_dedup() -> contextlib.AbstractContextManager[Any]:
    """What is stored already is stored again."""
    from coordinator.core.ranges import Ranges

    return mock.patch.object(Ranges, "missing", lambda self, first, last: [(first, last)])


def _fence_not_checked() -> contextlib.AbstractContextManager[Any]:
    """An agent acts on every directive, whatever its fence."""
    return mock.patch("edge_agent.uplink.directives.raise_fence", return_value=True)


def _told_before_durable() -> contextlib.AbstractContextManager[Any]:
    """A car is told of a hold before it is on the disk."""
    from coordinator.store.claims_rows import APPEND
    from coordinator.store.claims_sqlite import SqliteClaims, _rows

    async def keep(self: SqliteClaims, step: Any, moment: Any, answers: Any) -> None:
        for row in _rows(step, moment, answers):
            waiting = self._writer.post(APPEND, row)
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())

    return mock.patch.object(SqliteClaims, "_keep", keep)


def _synchronous_normal() -> contextlib.AbstractContextManager[Any]:
    """The spool does not wait for the disk: a power cut takes what was answered."""
    from edge_agent.uplink import spool_file

    connect = spool_file.connect

    def lax(path: Any) -> Any:
        connection = connect(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return mock.patch.object(spool_file, "connect", lax)


DEFECTS: Final[dict[str, Patches]] = {
    "ack_before_commit": _ack_before_commit,
    "no_dedup": _no_dedup,
    "fence_not_checked": _fence_not_checked,
    "told_before_durable": _told_before_durable,
    "synchronous_normal": _synchronous_normal,
}


@contextlib.contextmanager
def defect(name: str) -> Iterator[None]:
    """The product with this defect in it; "" means as it is."""
    with DEFECTS[name]() if name else contextlib.nullcontext():
        yield
