"""The `pilewise` command; rooms run as processes, heavy modules load inside commands."""

from __future__ import annotations


def main() -> None:
    """Runs the command; exit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 unreachable, 5 partial."""
    from pilewise.cli.app import run

    run()
