"""One self-contained HTML page per run: what came out, in tables and figures, and how to repeat it.

What is measured belongs to the runs; matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

from city_sim.reports.bars import Bar, bars
from city_sim.reports.distributions import ecdf, histogram
from city_sim.reports.errors import FiguresUnavailable, ReportError, ReportRefused
from city_sim.reports.heat import heat
from city_sim.reports.lines import Line, lines
from city_sim.reports.maps import Link, Place, scatter
from city_sim.reports.origin import Origin, model_hashes, versions
from city_sim.reports.page import page
from city_sim.reports.report import Figure, Report, Section
from city_sim.reports.saving import NAME, ready, write
from city_sim.reports.table import Column, Table

__all__ = [
    "NAME", "Bar", "Column", "Figure", "FiguresUnavailable", "Line", "Link", "Origin", "Place",
    "Report", "ReportError", "ReportRefused", "Section", "Table", "bars", "ecdf", "heat",
    "histogram", "lines", "model_hashes", "page", "ready", "scatter", "versions", "write",
]  # fmt: skip
