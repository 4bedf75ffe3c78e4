"""Commands that hear Ctrl-C, wherever the tests themselves run."""

from __future__ import annotations

import sys

# A shell that runs the tests in the background has the key ignored, and children inherit that.
_BEGIN = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def hearing_keys(module: str, *words: str) -> list[str]:
    """`python -m module words…`, with Ctrl-C as at a terminal."""
    return [sys.executable, "-c", _BEGIN, module, *words]
