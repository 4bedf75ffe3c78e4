"""The firmware bench measures real piles, and says so when the system allows too few sockets."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_sim.errors import OpenFilesError
from firmware_sim.limits import allow_open_files

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_firmware_bench_polls_every_pile_and_misses_nothing() -> None:
    """Thirty piles for two seconds: every poll is answered with the block that was asked for."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.firmware", "--piles", "30", "--for", "2", "--json"],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )

    told = json.loads(done.stdout.decode().splitlines()[-1])

    assert (told["piles"], told["charging"], told["polls"]) == (30, 15, 60)
    assert (told["missed"], told["wrong"], told["ceiling_missed"]) == (0, 0, 0)
    assert {"cpu_share", "rss_mib", "p99_ms", "ceiling_cpu_share", "cpu_ratio"} <= told.keys()


def test_more_piles_than_the_system_allows_are_refused_by_number() -> None:
    """The error names what is needed and what is allowed; nothing is changed."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] == resource.RLIM_INFINITY:
        pytest.skip("hint: needs a hard limit of open files (ulimit -Hn 20000)")

    with pytest.raises(OpenFilesError, match=f"{before[1] + 1} open files.*{before[1]}"):
        allow_open_files(before[1] + 1)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_simulator_raises_its_own_soft_limit_or_says_why_not(tmp_path: Path) -> None:
    """Under a hard limit that is too low it ends with exit code 3 and the two numbers."""
    config = tmp_path / "sim.toml"
    pile = '[[pile]]\nface = "modbus"\nmodel = "abb-terra-ac"\npile_id = "P{}"\n'
    config.write_text("".join(pile.format(number) for number in range(20)))
    command = f"ulimit -n 100; exec {sys.executable} -m firmware_sim -c {config}"

    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False
    )

    assert done.returncode == 3
    assert "error[SYS-001]: these piles need 124 open files, the system allows 100" in (
        done.stderr.decode()
    )
