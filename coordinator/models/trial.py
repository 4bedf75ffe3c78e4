"""Loads a bundle in a child process first, with little memory and little time.

What would take the coordinator down takes only the child down. The child says what it found as one
JSON line; the coordinator then loads the very manifest that passed.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from coordinator.errors import BundleRefused
from coordinator.models.bundle import Bundle, load
from coordinator.models.bundle_files import refused
from coordinator.models.refusals import BundleUntrusted
from coordinator.models.signature import Trust

# Beyond what the interpreter and the runtime take.
MEMORY_MIB = 512
TRIAL_S = 30.0
_SMALLER = "make the model smaller"
# The child finds the same code as its parent does.
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); " + (
    "from coordinator.models.trial import main; main(json.loads(sys.argv[2]))"
)


def try_out(
    folder: Path,
    trust: Trust | None = None,
    manifest_sha256: str | None = None,
    *,
    timeout_s: float = TRIAL_S,
    memory_mib: int = MEMORY_MIB,
) -> str:
    """The SHA-256 of the manifest of a bundle that passed; raises `BundleRefused`.

    Takes about half a second, in which the caller's thread waits.
    """
    asked = {
        "folder": str(folder),
        "manifest_sha256": manifest_sha256,
        "trust": [list(trust.keys), trust.allow_unsigned] if trust else None,
        "memory_mib": memory_mib,
        "timeout_s": timeout_s,
    }
    command = [sys.executable, "-c", _BOOT, json.dumps(sys.path), json.dumps(asked)]
    try:
        ran = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        why = f"the trial was not done within {timeout_s:g} s"
        raise refused(folder, why, _SMALLER) from error
    except OSError as error:
        raise refused(folder, f"no trial: {error.strerror}", "free memory, try again") from error
    return _outcome(folder, ran)


def _outcome(folder: Path, ran: subprocess.CompletedProcess[bytes]) -> str:
    with contextlib.suppress(ValueError, IndexError, KeyError, TypeError):
        told = json.loads(ran.stdout.splitlines()[-1])
        if told["ok"]:
            return str(told["manifest_sha256"])
        kind = BundleUntrusted if told["code"] == BundleUntrusted.code else BundleRefused
        raise kind(told["file"], told["why"], told["hint"])
    if ran.returncode < 0:
        name = signal.Signals(-ran.returncode).name
        raise refused(folder, f"the trial was ended by {name}", _SMALLER)
    said = ran.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing was said"]
    raise refused(folder, f"the trial failed: {said[-1][:200]}", _SMALLER)


def load_tried(
    folder: Path, trust: Trust | None = None, manifest_sha256: str | None = None
) -> Bundle:
    """The bundle, after its trial: the same bytes, by the hash of the manifest."""
    return load(folder, try_out(folder, trust, manifest_sha256), trust)


def main(asked: dict[str, Any]) -> None:
    """What the child does."""
    _limit(asked["memory_mib"], asked["timeout_s"])
    trust = Trust(tuple(asked["trust"][0]), asked["trust"][1]) if asked["trust"] else None
    told: dict[str, Any]
    try:
        bundle = load(Path(asked["folder"]), asked["manifest_sha256"], trust)
        told = {"ok": True, "manifest_sha256": bundle.manifest_sha256}
    except BundleRefused as error:
        told = {
            "ok": False,
            "code": error.code,
            "file": error.file,
            "why": error.why,
            "hint": error.hint,
        }
    except MemoryError:
        told = {"ok": False, "code": BundleRefused.code, "file": asked["folder"]}
        told |= {"why": f"it needs more than {asked['memory_mib']} MiB", "hint": _SMALLER}
    print(json.dumps(told), flush=True)
    # Threads of the runtime may hang in what the model does.
    os._exit(0)


def _limit(memory_mib: int, timeout_s: float) -> None:
    """Bounds what this process may take from here on."""
    cpu_s = int(timeout_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
