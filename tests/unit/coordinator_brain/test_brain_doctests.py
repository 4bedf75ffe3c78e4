"""The formulas' own examples, with the seeds' printed numbers."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import coordinator.core.areas
import coordinator.core.recommend

MODULES = [
    *(f"coordinator.core.{name}" for name in ("charging", "energy", "geo", "roads")),
    *(
        module.name
        for package in (coordinator.core.areas, coordinator.core.recommend)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_module_hold(name: str) -> None:
    """Every example in a docstring gives what stands below it."""
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0


def test_modules_with_formulas_have_examples() -> None:
    """The examples are found at all."""
    found = {name: doctest.testmod(importlib.import_module(name)).attempted for name in MODULES}

    for module in ("merge", "waiting", "preference", "traffic", "travel", "warning"):
        assert found[f"coordinator.core.recommend.{module}"] > 0
