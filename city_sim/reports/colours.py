"""Colours, shapes and patterns of series: told apart by the colour-blind, on white and on black.

A drawing holds colours that nothing else has; `VARIABLES` are what the page knows in their place.
"""

from __future__ import annotations

# Okabe and Ito's colours (2008), told apart by the colour-blind; darker on white, lighter on black.
_LIGHT = ("#0072b2", "#c44e00", "#007a5a", "#a3487f", "#7a6200", "#2b7cab")
_DARK = ("#56b4e9", "#f08c3c", "#2fc79b", "#e29cc5", "#f0e442", "#9ecbe8")
# From little to much: one hue whose lightness alone tells the order, also in grey.
_STEPS = 7
_HEAT_LIGHT = ("#f1f6fb", "#cfe1f2", "#a3c8e4", "#6fa8d3", "#3f86be", "#1c619f", "#0b3c6f")
_HEAT_DARK = ("#10202e", "#173a57", "#1f5680", "#2f78ab", "#559bca", "#8cc1e3", "#d3e9f7")
# Colours that nothing else has stand for variables until the drawing is finished.
INK, GRID, PAPER = "#010101", "#020202", "#030303"
SERIES = tuple(f"#0401{n:02x}" for n in range(len(_LIGHT)))
HEAT = tuple(f"#0402{n:02x}" for n in range(_STEPS))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
VARIABLES = {
    INK: "currentColor",
    GRID: "var(--grid,#ccc)",
    PAPER: "var(--paper,#fff)",
    **{c: f"var(--s{n},{_LIGHT[n]})" for n, c in enumerate(SERIES)},
    **{c: f"var(--h{n},{_HEAT_LIGHT[n]})" for n, c in enumerate(HEAT)},
}


def hues() -> tuple[str, str]:
    """The variables of the page's style, for light and for dark."""
    sets = ((_LIGHT, _HEAT_LIGHT), (_DARK, _HEAT_DARK))
    light, dark = (
        "".join(f"--s{n}:{c};" for n, c in enumerate(series))
        + "".join(f"--h{n}:{c};" for n, c in enumerate(heat))
        for series, heat in sets
    )
    return light, dark
