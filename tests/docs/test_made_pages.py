"""The pages that are made from the product are current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.timeout(300)
def test_made_pages_are_current() -> None:
    """Whoever changes a command or an error writes the pages anew: python docs/generate.py."""
    ran = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}run: python docs/generate.py"
