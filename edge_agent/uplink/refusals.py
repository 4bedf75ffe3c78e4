"""Records that the coordinator refused: counted always, said once for each reason and hour.

A refused record is settled: it is kept there in a table of its own and never sent again.
"""

from __future__ import annotations

from typing import Final

import structlog

from pilewise.v1 import edge_service_pb2 as edge

log: Final = structlog.get_logger("edge_agent.uplink")
# A pile that is not known there has every record refused, several times a second.
SAY_AGAIN_S: Final = 3600.0


class Refusals:
    """`count` of refused records since the start; `newest` is why the last ones were, or ""."""

    def __init__(self) -> None:
        self.count = 0
        self.newest = ""
        self._said: dict[str, tuple[float, int]] = {}

    def take(self, ack: edge.Ack, now_s: float) -> None:
        """Takes what an ack says; `now_s` is link time."""
        if not ack.rejected_count:
            return
        self.count += ack.rejected_count
        worst = ack.rejections[0] if ack.rejections else edge.Rejection()
        self.newest = f"{worst.code} {worst.field}: {worst.message}"
        name = f"{worst.code} {worst.field}"
        said_s, before = self._said.get(name, (-SAY_AGAIN_S, 0))
        before += ack.rejected_count
        if now_s - said_s < SAY_AGAIN_S:
            self._said[name] = said_s, before
            return
        self._said[name] = now_s, 0
        log.warning(
            "records refused",
            count=before,
            code=worst.code,
            field=worst.field,
            message=worst.message,
        )
