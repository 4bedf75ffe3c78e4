"""Guided by what the code does with each input: `python -m bench.fuzz.guided DOOR` (optional).

It needs atheris (`pip install atheris`), which no test and no room does; libFuzzer's options follow
the door. Doors are functions that take bytes as they come from outside.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    print("hint: pip install atheris", file=sys.stderr)
    sys.exit(2)

with atheris.instrument_imports(include=["coordinator", "edge_agent", "firmware_sim"]):
    import msgspec

    from bench.fuzz.file_worker import READERS, read
    from coordinator.errors import CoordinatorError
    from coordinator.rpc.batch_codec import WireCodec
    from edge_agent.core.ocpp_frame import BrokenFrame, answer_to, inspect
    from edge_agent.sensors import payloads


def ocpp(raw: bytes) -> None:
    """A frame of a charge point."""
    frame = inspect(raw)
    if isinstance(frame, BrokenFrame):
        answer_to(frame, "ocpp1.6")


def mqtt(raw: bytes) -> None:
    """A sensor's payload; the first byte picks the topic."""
    kind = list(payloads.KINDS)[raw[0] % len(payloads.KINDS)] if raw else "queue"
    with contextlib.suppress(ValueError, msgspec.MsgspecError):
        payloads.parse(kind, raw[1:])


def batch(raw: bytes) -> None:
    """An agent's report."""
    with contextlib.suppress(CoordinatorError):
        WireCodec().read(raw)


def file_reader(kind: str) -> Callable[[bytes], None]:
    """A file of this kind."""
    path = Path(tempfile.mkdtemp(prefix="pilewise-guided-")) / kind.replace("/", "-")

    def one(raw: bytes) -> None:
        path.write_bytes(raw)
        path.chmod(0o600)
        if bad := read(kind, path).get("bad"):
            raise AssertionError(bad)

    return one


def main() -> None:
    """Runs one door until it is stopped, or something is found."""
    doors: dict[str, Callable[[bytes], None]] = {"ocpp": ocpp, "mqtt": mqtt, "batch": batch}
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    one = doors.get(name) or (file_reader(name) if name in READERS else None)
    if one is None:
        print(f"doors: {', '.join([*doors, *READERS])}", file=sys.stderr)
        sys.exit(2)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
