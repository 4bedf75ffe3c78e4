"""docs/registers.md lists the simulated models, the keys of a device and the faults of a wire."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from firmware_sim.config import load_config
from firmware_sim.config_tables import Model, RegistersTable
from firmware_sim.core.wire import Kind, parse_wire_fault
from firmware_sim.faces.registers.history import Row
from firmware_sim.faces.registers.models import REGISTER_MAPS
from firmware_sim.faces.registers.table import models_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "registers.md").read_text()


def test_table_of_models_is_that_of_the_maps() -> None:
    """The page shows what `python -m firmware_sim.faces.registers.table` prints."""
    assert models_table() in PAGE


def test_every_map_can_be_named_in_a_file() -> None:
    """The names that a file may say are those of the maps."""
    assert set(get_args(Model)) == {*REGISTER_MAPS, "generic"}


@pytest.mark.parametrize("key", RegistersTable.__struct_fields__)
def test_every_key_of_a_device_is_documented(key: str) -> None:
    """Each key of `[pile.registers]` has its place in the table."""
    assert re.search(rf"^\|[^|]*`{key}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_fault_of_the_wire_is_documented(kind: str) -> None:
    """Each word has its row."""
    assert re.search(rf"^\| `{kind}(:<[a-z]+>)?` \|", PAGE, re.MULTILINE)


def test_examples_of_the_page_are_taken(tmp_path: Path) -> None:
    """The file of the page is a file, and the word with all its limits a word."""
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "sim.toml"
    path.write_text(text)

    [pile] = load_config(path).piles

    assert pile.table.registers.gaps == [(1040, 1045)]
    assert tomllib.loads(text)["pile"][0]["firmware"] == pile.spec.firmware
    [word] = re.findall(r"`(wire:[a-z]+:[\d.]+@\d+-\d+\*\d)`", PAGE)
    assert parse_wire_fault(word, None).name == word


@pytest.mark.parametrize("name", ["writer", "age_s", "changed_at_ms", "readable"])
def test_every_column_of_the_view_is_documented(name: str) -> None:
    """The fields of the page are those of a row."""
    assert f"| `{name}` |" in PAGE
    assert name in Row.__dataclass_fields__
