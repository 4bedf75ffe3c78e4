"""The paper that figures are drawn on: matplotlib made small, repeatable and readable by everybody.

What is drawn is in the files of the figures, what becomes of the file in `svg.py`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from city_sim.reports.colours import GRID, INK
from city_sim.reports.errors import FiguresUnavailable
from city_sim.reports.report import Figure
from city_sim.reports.svg import tidied
from city_sim.reports.table import Table

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "pilewise", "text.parse_math": False,
    "font.family": ["DejaVu Sans"], "font.size": 9.0, "hatch.linewidth": 0.6,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK,
    "ytick.color": INK, "grid.color": GRID, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none", "legend.frameon": False, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True, "grid.linewidth": 0.5,
}  # fmt: skip


def require() -> None:
    """Raises `FiguresUnavailable` where matplotlib is absent."""
    if find_spec("matplotlib") is None:
        raise FiguresUnavailable


@contextmanager
def sheet(width_in: float = 7.0, height_in: float = 3.2) -> Iterator[tuple[Any, Any]]:
    """A matplotlib figure and its axes in the house's style; draw and `finished` inside."""
    require()
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    usual = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith("backend")}
    with warnings.catch_warnings():
        # Text stays text: whether a font here has its letters does not matter.
        warnings.filterwarnings("ignore", message="Glyph")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        with mpl.rc_context({**usual, **_STYLE}):
            canvas = Canvas(figsize=(width_in, height_in), layout="constrained")
            yield canvas, canvas.add_subplot()


def finished(canvas: Any, title: str, description: str, numbers: Table | None = None) -> Figure:
    """The drawing as a figure of a report; must be called inside `sheet`."""
    made = io.StringIO()
    canvas.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    return Figure(title, description, tidied(made.getvalue(), title, description), numbers)
