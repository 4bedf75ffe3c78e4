"""Makes the pictures of the documents anew: `python docs/renew_pictures.py`.

The tests make them, in `docs/pictures/`: the demo's page and the driver's page in a real browser,
and the demo in a terminal. Needs chromium and `pip install ".[test]"`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"
# Each picture with the test that makes it.
MADE = {
    "live.png": "tests/browser/test_demo_watched.py",
    "drive.png": "tests/browser/test_demo_watched.py",
    "demo.svg": "tests/flows/test_demo_keeps_its_word.py::test_the_summary_says_what_happened",
}
LONGEST_S = 900


def main() -> int:
    """Runs the tests; 0 if every picture was made anew."""
    PICTURES.mkdir(exist_ok=True)
    before = {name: _made_at_ns(name) for name in MADE}
    command = [sys.executable, "-m", "pytest", "-q", *sorted(set(MADE.values()))]
    environment = {**os.environ, "PILEWISE_PICTURES": str(PICTURES)}
    ran = subprocess.run(command, cwd=DOCS.parent, env=environment, timeout=LONGEST_S, check=False)
    for name in MADE:
        state = "made" if _made_at_ns(name) != before[name] else "NOT made: is chromium installed?"
        print(f"docs/pictures/{name}: {state}", file=sys.stderr)
    return ran.returncode or int(any(_made_at_ns(name) == before[name] for name in MADE))


def _made_at_ns(name: str) -> int:
    path = PICTURES / name
    return path.stat().st_mtime_ns if path.exists() else 0


if __name__ == "__main__":
    raise SystemExit(main())
