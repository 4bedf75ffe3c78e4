"""The models: which bundles serve, scored beside, served before; their cards; and swapping them.

Swapping needs a token.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.models.bundle import Bundle
from coordinator.models.comparison import Comparison, quantile
from coordinator.models.kept import SHIPPED, Entry
from coordinator.models.serving import shipped_name
from coordinator.web.answers import answer, body_of
from coordinator.web.gate import Gate
from coordinator.web.sources import Sources

log = structlog.get_logger()

CARD = "card.md"
CARD_LIMIT, PLOT_LIMIT = 256 * 1024, 1024 * 1024
ACTIONS = ("activate", "rollback", "shadow")


class Models:
    """Shows bundles and swaps them."""

    def __init__(self, sources: Sources, gate: Gate) -> None:
        self._switch, self._shadow = sources.switch, sources.shadow
        self._gate = gate

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [
            Route("/api/models", self.shown, methods=["GET"]),
            Route("/api/models", self.swap, methods=["POST"]),
            Route("/api/models/{role}/plots/{name}", self.plot),
        ]

    async def shown(self, request: Request) -> Response:
        """Bundles, parts, what was wrong, and how the shadow differs."""
        return answer(await self._all())

    async def swap(self, request: Request) -> Response:
        """Another bundle serves, or scores beside, when this answers."""
        name = self._gate.admit(request)
        body = await body_of(request, frozenset({"action", "bundle"}))
        action, bundle = body.get("action"), body.get("bundle", "")
        if action not in ACTIONS:
            raise FieldInvalid(FieldFault("action", f"must be one of {', '.join(ACTIONS)}"))
        if not isinstance(bundle, str) or len(bundle) > 4096:
            raise FieldInvalid(FieldFault("bundle", "must be the folder of a bundle"))
        if action == "rollback" and bundle:
            raise FieldInvalid(FieldFault("bundle", "rollback goes to the one before: leave it"))
        log.info("models swapped by hand", action=action, bundle=bundle, by=name)
        if action == "rollback":
            await self._switch.rollback()
        elif action == "shadow":
            await self._switch.set_shadow(bundle or None)
        else:
            await self._switch.activate(bundle)
        return answer(await self._all())

    async def plot(self, request: Request) -> Response:
        """A picture of a bundle, e.g. how well its chances hold."""
        role, name = request.path_params["role"], request.path_params["name"]
        bundle = self._loaded().get(role)
        names = await asyncio.to_thread(_plots, bundle.path) if bundle is not None else []
        if bundle is None or name not in names:
            raise NotFound("plot", f"{role}/{name}")
        content = await asyncio.to_thread(_read, bundle.path / name, PLOT_LIMIT)
        return Response(content, headers={"cache-control": "no-cache"}, media_type="image/svg+xml")

    def _loaded(self) -> dict[str, Bundle]:
        both = {"active": self._switch.serving.bundle, "shadow": self._switch.shadow}
        return {role: bundle for role, bundle in both.items() if bundle is not None}

    async def _all(self) -> dict[str, Any]:
        switch, loaded = self._switch, self._loaded()
        bundles = []
        if "active" in loaded:
            entry = switch.state.active or SHIPPED
            bundles.append(await self._bundle("active", entry, loaded["active"]))
        if "shadow" in loaded:
            entry = switch.state.shadow or SHIPPED
            bundles.append(await self._bundle("shadow", entry, loaded["shadow"]))
        if switch.state.previous is not None:
            bundles.append(await self._bundle("previous", switch.state.previous, None))
        return {
            "as_of_s": switch.now_s(),
            "bundles": bundles,
            "degraded": switch.serving.degraded,
            "problems": list(switch.serving.problems),
            "expired": switch.expired,
            "loaded_at_s": switch.loaded_at_s,
            "may_act": self._gate.opens,
            "comparison": self._comparison(),
        }

    async def _bundle(self, role: str, entry: Entry, bundle: Bundle | None) -> dict[str, Any]:
        name, version = entry.name, entry.version
        if not entry.manifest_sha256:
            name, version = shipped_name()
        told: dict[str, Any] = {
            "role": role, "name": name, "version": version, "sha256": entry.manifest_sha256,
            "came_from": entry.came_from, "parts": [], "plots": [], "card": "", "signed_by": "",
            "expires_at_s": None,
        }  # fmt: skip
        if bundle is None:
            return told
        plots, card = await asyncio.to_thread(_papers, bundle.path)
        return told | {
            "sha256": bundle.manifest_sha256,
            "signed_by": bundle.signed_by,
            "expires_at_s": bundle.expires_at.timestamp() if bundle.expires_at else None,
            "plots": plots,
            "card": card,
            "parts": [self._part(bundle, part) for part in bundle.parts],
        }

    def _part(self, bundle: Bundle, part: Any) -> dict[str, Any]:
        session = bundle.sessions[part.name]
        return {
            "name": part.name,
            "sha256": part.sha256,
            "schema_sha256": part.schema_sha256,
            "metrics": part.metrics,
            "failed_runs": session.failures,
            "slow_runs": session.slow_runs,
            "resting": session.resting,
        }

    def _comparison(self) -> dict[str, Any] | None:
        """How the shadow differs from what serves, so far; None without one."""
        if self._switch.shadow is None:
            return None
        record = self._shadow.snapshot()
        parts = {name: _compared(part) for name, part in record.parts.items()}
        return {"since_s": record.since_s, "parts": parts}


def _compared(part: Comparison) -> dict[str, Any]:
    numbers: dict[str, float | None] = {
        "runs": part.runs,
        "requests": part.requests,
        "failed": part.failed,
        "top1_agreement": part.top1_agreement,
        "rank_agreement": part.rank_agreement,
        "mean_difference": part.mean_difference,
        "active_p99_s": quantile(part.active_s, 0.99),
        "shadow_p99_s": quantile(part.shadow_s, 0.99),
    }
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in numbers.items()
    }


def _papers(folder: Path) -> tuple[list[str], str]:
    card = folder / CARD
    text = _read(card, CARD_LIMIT).decode("utf-8", "replace") if card.is_file() else ""
    return _plots(folder), text


def _plots(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.svg") if path.is_file())


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)
