"""Pictures for the documents, made by tests where `PILEWISE_PICTURES` names a folder.

`docs/renew_pictures.py` runs the tests that make them.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

LARGEST_BYTES = 200_000
COLUMNS = 124
FIRST, LAST = 28, 2  # lines of a terminal that are shown, of its begin and its end
# Without the fonts that rich fetches from elsewhere.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" \
role="img" aria-label="pilewise demo in a terminal">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" \
height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
_TOKEN = re.compile(r"#token=[\w-]+")


async def keep_page(page: Any, name: str) -> None:
    """What a page shows, as a picture."""
    if folder := os.environ.get("PILEWISE_PICTURES"):
        path = Path(folder) / name
        await page.screenshot(path=path, animations="disabled")
        _check(path)


def terminal_svg(output: str, title: str) -> str:
    """What a terminal showed, its colours kept; the middle of a long output is left out."""
    lines = [_TOKEN.sub("#token=…", line) for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if "starting:" not in line]
    if len(lines) > FIRST + LAST:
        lines = [*lines[:FIRST], "\x1b[2m …\x1b[0m", *lines[-LAST:]]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis")
    svg = console.export_svg(
        title=title, theme=SVG_EXPORT_THEME, code_format=SVG, unique_id="terminal"
    )
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def keep_terminal(svg: str, name: str) -> None:
    """A picture of a terminal."""
    if folder := os.environ.get("PILEWISE_PICTURES"):
        path = Path(folder) / name
        path.write_text(svg, encoding="utf-8")
        _check(path)


def _check(path: Path) -> None:
    size = path.stat().st_size
    assert size <= LARGEST_BYTES, f"{path.name} has {size} bytes, at most {LARGEST_BYTES}"
