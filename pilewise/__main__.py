"""`python -m pilewise`: the command, where its script is not on the path."""

from __future__ import annotations

from pilewise.cli.app import run

if __name__ == "__main__":
    run()
