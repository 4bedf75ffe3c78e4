"""Every fault that Pilewise must survive, tried: `python -m bench.faults --json`.

Runs the tests that are named after the rows of `fault_rows.toml` and sums up by row. A row is
missing without a test, failed if one of its tests did, skipped if this machine could run none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.fault_tests import NAMED, ROOT, FaultRow, FaultTest, find_tests, page, read_rows

SHORT_S, LONG_S = 3_600.0, 8 * 3_600.0


def main() -> int:
    """Runs the rows and prints one JSON object as the last line; 1 if one is missing or failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--rows", default="", help="only these, such as C1,S1")
    parser.add_argument("--long", action="store_true", help="the long forms: more kills, more cuts")
    parser.add_argument("--list", action="store_true", help="run nothing, only look for tests")
    parser.add_argument("--workers", type=int, default=1, help="tests at a time")
    parser.add_argument("--page", action="store_true", help="print docs/faults.md and end")
    options = parser.parse_args()
    if options.page:
        print(page(), end="")
        return 0
    rows = read_rows()
    if wanted := [name for name in options.rows.split(",") if name]:
        if unknown := [name for name in wanted if name not in rows]:
            parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(rows)}")
        rows = {name: rows[name] for name in wanted}
    tests = [test for test in find_tests() if test.row in rows]
    begun_s = time.monotonic()
    ended = {} if options.list else run(tests, options.long, options.workers)
    result = summed(rows, tests, ended)
    result |= {"long": options.long, "took_s": round(time.monotonic() - begun_s, 1)}
    if not options.json:
        print(json.dumps(result, indent=2), file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return int(bool(result["missing"] or result["failed"]))


def run(tests: Sequence[FaultTest], long: bool, workers: int) -> dict[str, Counter[str]]:
    """How often each test passed, failed or was skipped, by its node; output goes to stderr."""
    if not tests:
        return {}
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder:
        report = Path(folder) / "junit.xml"
        words = [
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "junit_family=xunit1",
            f"--junitxml={report}",
        ]
        if workers > 1:
            words += ["-n", str(workers), "--dist", "worksteal"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *words, *(test.node for test in tests)],
            cwd=ROOT,
            env={**os.environ, "PILEWISE_LONG": "1" if long else "0"},
            stdout=sys.stderr,
            timeout=LONG_S if long else SHORT_S,
            check=False,
        )
        return read_report(report) if report.is_file() else {}


def read_report(report: Path) -> dict[str, Counter[str]]:
    """What a JUnit file says of each test that carries the name of a row."""
    found: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        if not NAMED.fullmatch(name):
            continue
        if any(case.find(word) is not None for word in ("failure", "error")):
            ended = "failed"
        else:
            ended = "passed" if case.find("skipped") is None else "skipped"
        found.setdefault(f"{case.get('file', '')}::{name}", Counter())[ended] += 1
    return found


def summed(
    rows: dict[str, FaultRow], tests: Sequence[FaultTest], ended: dict[str, Counter[str]]
) -> dict[str, Any]:
    """Counts by row; a test of which nothing is reported has failed, if any was run."""
    by_row: dict[str, Counter[str]] = {row: Counter() for row in rows}
    failed_tests = []
    for test in tests:
        of_test = ended.get(test.node) or Counter({"failed": 1} if ended else {"found": 1})
        by_row[test.row] += of_test
        if of_test["failed"]:
            failed_tests.append(test.node)
    missing = [row for row, count in by_row.items() if not count]
    failed = [row for row, count in by_row.items() if count["failed"]]
    skipped = [
        row
        for row, count in by_row.items()
        if count["skipped"] and not count["passed"] and not count["failed"]
    ]
    total: Counter[str] = sum(by_row.values(), Counter())
    return {
        "rows": len(rows),
        "missing": len(missing),
        "failed": len(failed),
        "skipped": len(skipped),
        "tests": len(tests),
        "cases_passed": total["passed"],
        "cases_skipped": total["skipped"],
        "missing_rows": missing,
        "failed_rows": failed,
        "skipped_rows": skipped,
        "failed_tests": failed_tests,
        "missing_await": {row: rows[row].awaits for row in missing},
    }


if __name__ == "__main__":
    sys.exit(main())
