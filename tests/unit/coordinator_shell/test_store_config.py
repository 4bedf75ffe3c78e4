"""The section [store]: what is a mistake in it, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid

BEGIN = '[coordinator]\ndistrict = "north"\ndata_dir = "data"\n[store]\n'
GOOD = 'engine = "postgres"\ndsn = "host=a,b dbname=city user=p passfile=/etc/pgpass"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "coordinator.toml"
    path.write_text(BEGIN + text)
    return path


def test_promises_are_in_sqlite_unless_it_says_otherwise(tmp_path: Path) -> None:
    """The engine and its dsn are read as written."""
    assert read_config(written(tmp_path, "")).store.engine == "sqlite"

    section = read_config(written(tmp_path, GOOD)).store
    assert section.engine == "postgres"
    assert section.dsn.startswith("host=a,b ")


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('engine = "postgres"\n', 5, "store.dsn is missing"),
        ('engine = "oracle"\n', 5, "store.engine"),
        (GOOD.replace("passfile=/etc/pgpass", "password = hush"), 6, "dsn holds a password"),
        ('engine = "postgres"\ndsn = "postgresql://p:hush@a/city"\n', 6, "dsn holds a password"),
        ('engine = "postgres"\ndsn = "postgresql://a/city?password=x"\n', 6, "holds a password"),
        (GOOD + "[clock]\nspeed = 60.0\n", 5, "needs clock.speed 1"),
    ],
)
def test_a_store_that_cannot_work_is_told_before_it_is_opened(
    tmp_path: Path, text: str, line: int, word: str
) -> None:
    """Each mistake is told with its line, and no password is repeated."""
    with pytest.raises(ConfigInvalid) as caught:
        read_config(written(tmp_path, text))

    told = [problem for problem in caught.value.problems if word in problem.message]
    assert [problem.where for problem in told] == [f"{tmp_path}/coordinator.toml:{line}"]
    assert "hush" not in str(caught.value)


def test_a_url_without_a_password_is_taken(tmp_path: Path) -> None:
    """So is a port, whose colon is no password's."""
    text = 'engine = "postgres"\ndsn = "postgresql://p@a:5433,b:5434/city"\n'

    assert read_config(written(tmp_path, text)).store.dsn.endswith("/city")
