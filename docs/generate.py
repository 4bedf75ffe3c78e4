"""Writes the pages that are made from the product itself: `python docs/generate.py [--check]`.

What people write by hand stands in the other pages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))
sys.path.insert(0, str(DOCS))


def pages() -> dict[str, Callable[[], str]]:
    """Name of each page and what makes it."""
    from making import command_page, error_page

    return {"cli.md": command_page.page, "errors.md": error_page.page}


def main(words: list[str]) -> int:
    """0 where every page is current or was written; 1 where `--check` found one that is not."""
    stale = []
    for name, make in pages().items():
        text, path = make(), DOCS / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in words:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'not current' if '--check' in words else 'written'}: docs/{name}")
    return int(bool(stale) and "--check" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
