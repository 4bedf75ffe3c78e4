"""What a failed test leaves in its report: traces of its piles, ends of the logs of its rooms.

What is traced is in `register_trace.py`; the hooks that call this are in `plugin.py`.
"""

from __future__ import annotations

import re
from typing import Any, Protocol
from xml.etree import ElementTree

import pytest

SECTION = "pilewise: "
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Traced(Protocol):
    """A part of the bench that has something to say about a failure."""

    def evidence(self) -> list[tuple[str, str]]:
        """Title and text, several."""
        ...


def attach(report: pytest.TestReport, parts: list[Traced]) -> None:
    """Adds what the parts say to a report; a part that fails to speak says why."""
    for part in parts:
        try:
            told = part.evidence()
        except Exception as error:  # noqa: BLE001 - a dead bench must not hide why the test failed
            told = [(f"{part!r}", f"cannot say what happened: {error}")]
        report.sections += [(f"{SECTION}{title}", text) for title, text in told]


class JUnitAttachments:
    """Writes those sections into JUnit XML as `system-out`, whatever `junit_logging` says.

    It runs where the file is written, which with xdist is not where the test ran.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds the sections of a failed test; its element is still open."""
        told = [(name, text) for name, text in report.sections if name.startswith(SECTION)]
        if not told or report.when == "teardown":
            return
        reporter = self._reporter(report)
        if reporter is not None:
            element = ElementTree.Element("system-out")
            element.text = _NOT_XML.sub("?", "\n".join(f"--- {n} ---\n{t}" for n, t in told))
            reporter.append(element)

    def _reporter(self, report: pytest.TestReport) -> Any:
        # pytest has no public way to a test case's element other than its properties.
        from _pytest.junitxml import xml_key

        xml = self._config.stash.get(xml_key, None)
        return None if xml is None else xml.node_reporter(report)
