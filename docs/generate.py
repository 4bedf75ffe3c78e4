"""Writes what pages say of the product itself: `python docs/generate.py [--check]`.

Commands, configurations, errors and figures stand in the pages between cog's marks, each with the
line that makes it. Figures are of stored results; `renew_figures.py` runs what they are of.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(DOCS))


def cog(check: bool) -> int:
    """Writes the marked parts of all pages, or with `check` tells which are not current; 0 or 5."""
    from cogapp import Cog

    pages = [
        p for p in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))) if "[[[cog" in p.read_text()
    ]
    how = ["--check", "--diff"] if check else ["-r"]
    return int(Cog().main(["cog", *how, "-P", "-I", str(DOCS), "-I", str(ROOT), *map(str, pages)]))


if __name__ == "__main__":
    sys.exit(cog(check="--check" in sys.argv[1:]))
