"""Every example in a docstring of the product computes what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("coordinator", "edge_agent", "firmware_sim", "city_sim", "training", "pilewise",
            "pytest_pilewise", "bench")  # fmt: skip
EXAMPLE = ">>> "


def modules() -> list[str]:
    """Those with examples, by name."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if EXAMPLE in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_of_a_module_hold(name: str) -> None:
    """No doctest of the module fails, and what looks like an example is tried."""
    failed, tried = doctest.testmod(importlib.import_module(name))

    assert failed == 0 < tried


def test_formulas_have_examples() -> None:
    """The walk reaches the modules with the seeds' formulas: there are dozens of examples."""
    tried = sum(doctest.testmod(importlib.import_module(name)).attempted for name in modules())

    assert tried > 60
