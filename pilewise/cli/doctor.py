"""`pilewise doctor`: looks at the whole host, and says what to do.

An agent on its gateway has a doctor of its own, which knows piles: `pilewise agent doctor`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli import config_keys, doctor_host, doctor_reach
from pilewise.cli.doctor_finding import Finding, Level, report
from pilewise.cli.loudness import Loudness, loudness
from pilewise.cli.output import Exit, emit, say
from pilewise.cli.waiting import waiting

STYLES = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "dim", Level.OK: None}


def doctor(
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="Configuration, TOML; repeat. Else those here."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="Ask this coordinator too, host:port.", envvar="PILEWISE_TARGET")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Looks at host, packages, disk, clock, ports, models, and says what to do; 1 with errors."""
    with waiting("looking"):
        findings = list(look(config or [], target))
    told = report(findings)
    quiet = loudness() is Loudness.QUIET
    for finding in findings:
        if not quiet or finding.level in (Level.WARNING, Level.ERROR):
            say(str(finding), style=STYLES[finding.level])
    found = [(told[f"{what}s"], what) for what in ("error", "warning")]
    say(", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in found))
    if json:
        emit(told)
    raise typer.Exit(int(Exit.OK if told["ok"] else Exit.FAILED))


def look(configs: list[Path], target: str) -> Iterator[Finding]:
    """Everything found, in the order of what a newcomer needs first."""
    files = configs or [
        path for kind in config_keys.ROOMS if (path := Path(f"{kind}.toml")).exists()
    ]
    configured, addresses, folders = doctor_reach.check_configs(files)
    yield from doctor_host.check_python()
    yield from doctor_host.check_packages()
    yield from doctor_host.check_clock()
    yield from doctor_host.check_disk([*folders, Path(tempfile.gettempdir())])
    yield from doctor_host.check_limits()
    yield from configured
    yield from doctor_reach.check_ports(addresses)
    yield from doctor_reach.check_models()
    yield from doctor_host.check_serial()
    yield from doctor_host.check_programs()
    if target:
        yield from doctor_reach.check_coordinator(target)
