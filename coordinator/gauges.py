"""What the metrics page shows besides counts: versions, statuses and links of this moment."""

from __future__ import annotations

from coordinator.core.pile import EvseStatus
from coordinator.jobs.certificates import DAY_S
from coordinator.metrics import Samples
from coordinator.parts import Parts
from pilewise.version import __version__


def gauges(parts: Parts) -> dict[str, Samples]:
    """Values by their names in `figures.py`; to be called on the event loop."""
    statuses, links = parts.view.statuses(), parts.links.open.values()
    skews_s = [abs(link.clock_skew_s) for link in links]
    certificates = parts.certificates.days_left if parts.certificates else {}
    return {
        "build_info": [((__version__, parts.config.coordinator.district), 1.0)],
        "model_info": [((p.name, p.version, p.sha256), 1.0) for p in parts.models.parts],
        "evses": [((s.name,), float((statuses == s).sum())) for s in EvseStatus],
        "agents_connected": [((), float(len(links)))],
        "agents_known": [((), float(len(parts.inventory.agents())))],
        "agent_spool_records": [((), float(sum(link.spool_depth for link in links)))],
        "agent_clock_skew_seconds": [((), max(skews_s, default=0.0))],
        "agents_revoked": [((), float(parts.register.revoked_count))],
        "certificate_left_seconds": [((name,), d * DAY_S) for name, d in certificates.items()],
        "status_age_seconds": [((), parts.view.oldest_age_s())],
    }
