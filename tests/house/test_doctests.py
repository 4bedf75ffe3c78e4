"""Every example in a docstring of the pure parts computes what it says."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = (
    "coordinator.core",
    "coordinator.models",
    "edge_agent.core",
    "firmware_sim.core",
    "city_sim",
    "training",
    "pytest_pilewise",
    "pilewise.cli.bench_view",
)
# They import what may be absent, or have nothing pure in them.
LEFT_OUT = ("city_sim.demo", "pilewise.cli.bench_view.app", "pilewise.cli.bench_view.choosing",
            "training.arrival", "training.arrival_part", "training.candidate",
            "training.everything", "training.export",
            "training.failure", "training.portrait", "training.portrait_part", "training.ranker",
            "training.side_by_side", "training.travel", "training.travel_part",
            "training.__main__")  # fmt: skip


def modules() -> list[str]:
    found = []
    for name in PACKAGES:
        package = importlib.import_module(name)
        found += [
            m.name
            for m in pkgutil.walk_packages(package.__path__, f"{name}.")
            if m.name not in LEFT_OUT
        ]
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_of_a_module_hold(name: str) -> None:
    """No doctest of the module fails."""
    failed, _ = doctest.testmod(importlib.import_module(name))

    assert failed == 0


def test_formulas_have_examples() -> None:
    """The walk reaches the modules with the seeds' formulas: there are dozens of examples."""
    tried = sum(doctest.testmod(importlib.import_module(name)).attempted for name in modules())

    assert tried > 60
