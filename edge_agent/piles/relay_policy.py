"""Whose tokens charge while the operator's system is away, and what it said of them before."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from edge_agent.core.authorization import may_charge
from edge_agent.core.ocpp_relay import Verdict, token_in
from edge_agent.piles.relay_store import RelayStore

log: Final = structlog.get_logger("edge_agent.relay")


class OfflinePolicy:
    """`accept`, `list`, `reject`, or `cached`: those whom the operator accepted before.

    Tokens are remembered by their hash.
    """

    def __init__(
        self, policy: str, tokens: frozenset[str], store: RelayStore, now_ms: Callable[[], int]
    ) -> None:
        self._policy = policy
        self._tokens = tokens
        self._store = store
        self._now_ms = now_ms

    async def accepts(self, asked: Mapping[str, Any]) -> bool:
        """Whether the token in a request may charge now."""
        token = token_in(asked)
        cached = False
        if token and self._policy == "cached":
            cached = await self._store.accepted(_hash(token), self._now_ms())
        return may_charge(self._policy, token, self._tokens, cached=cached)

    async def learn(self, verdict: Verdict | None) -> None:
        """Takes what the operator's system said of a token."""
        if verdict is None:
            return
        try:
            await self._store.keep_verdict(
                _hash(verdict.token), verdict.accepted, verdict.until_ms, self._now_ms()
            )
        except sqlite3.Error as error:
            # Forgotten, and asked again the next time.
            log.error("verdict not kept", error=repr(error))


def _hash(token: str) -> str:
    return hashlib.sha256(token.casefold().encode()).hexdigest()
