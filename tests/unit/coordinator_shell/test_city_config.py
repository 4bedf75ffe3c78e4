"""What a city's file may not ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid

CITY = """\
[coordinator]
district = "city"
role = "city"
[city]
districts = { west = "127.0.0.1:50051" }
"""


def write(folder: Path, text: str) -> Path:
    """The file."""
    path = folder / "city.toml"
    path.write_text(text)
    return path


def test_a_city_with_a_page_is_refused(tmp_path: Path) -> None:
    """It would be served by nobody; without an address, or in a district, the section stands."""
    page = '[web]\nlisten = "127.0.0.1:8080"\n'
    district = f'[coordinator]\ndistrict = "one"\ndata_dir = "data"\n{page}'

    with pytest.raises(ConfigInvalid) as caught:
        read_config(write(tmp_path, CITY + page))
    empty = read_config(write(tmp_path, f'{CITY}[web]\nlisten = ""\n'))
    own = read_config(write(tmp_path, district))

    (problem,) = caught.value.problems
    assert (problem.code, problem.where.rpartition(":")[2]) == ("CFG-005", "6")
    assert "a city serves no page" in problem.message
    assert "docs/districts.md" in problem.hint
    assert empty.coordinator.role == "city"
    assert own.web.listen == "127.0.0.1:8080"
