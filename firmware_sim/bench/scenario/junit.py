"""Reports as JUnit XML, which build servers read; times in it are simulated seconds."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from firmware_sim.bench.scenario.report import Report


def junit(reports: Sequence[Report], seed: int) -> str:
    """One test suite with a test case for each scenario."""
    failed = sum(not report.passed for report in reports)
    simulated_s = sum(report.simulated_s for report in reports)
    suite = Xml.Element(
        "testsuite",
        name="pilewise.scenarios",
        tests=str(len(reports)),
        failures=str(failed),
        errors="0",
        skipped="0",
        time=f"{simulated_s:.3f}",
    )
    _properties(suite, {"seed": str(seed), "clock": "simulated"})
    for report in reports:
        _case(suite, report)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Xml.Element, report: Report) -> None:
    case = Xml.SubElement(
        suite,
        "testcase",
        classname="pilewise.scenarios",
        name=report.name,
        time=f"{report.simulated_s:.3f}",
    )
    told = {"seed": str(report.seed), "result_hash": report.result_hash}
    if report.requirement:
        told["requirement"] = report.requirement
    told |= {f"seed.{pile}": str(seed) for pile, seed in report.pile_seeds.items()}
    _properties(case, told)
    if (failure := report.failure) is not None:
        message = f"line {failure.line}: {failure.text} on {failure.evse_id}"
        told_failure = Xml.SubElement(case, "failure", message=message, type=failure.verb)
        told_failure.text = f"at {failure.at_s:g} s simulated; seen: {failure.seen}"


def _properties(parent: Xml.Element, values: dict[str, str]) -> None:
    properties = Xml.SubElement(parent, "properties")
    for name, value in values.items():
        Xml.SubElement(properties, "property", name=name, value=value)
