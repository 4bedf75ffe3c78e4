"""The agent as its own process without numpy: `python -m bench.agent_blocked FILE -c agent.toml`.

Importing what a gateway does not have fails; when the agent ends, the names of all modules that it
loaded are in FILE.
"""

from __future__ import annotations

import atexit
import runpy
import sys
from pathlib import Path

BLOCKED = ("numpy", "scipy", "onnxruntime", "typer", "rich")


def _tell(path: Path) -> None:
    path.write_text("\n".join(sorted(name for name, module in sys.modules.items() if module)))


if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(BLOCKED))  # type: ignore[arg-type]
    atexit.register(_tell, Path(sys.argv.pop(1)))
    runpy.run_module("edge_agent", run_name="__main__", alter_sys=True)
