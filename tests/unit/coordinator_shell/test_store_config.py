"""The section [store]: what is a mistake in it, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import read_config
from coordinator.errors import ConfigInvalid

BEGIN = '[coordinator]\ndistrict = "north"\ndata_dir = "data"\n[store]\n'
DSN = "host=a,b dbname=city user=p passfile=/etc/pgpass sslmode=verify-full"
GOOD = f'engine = "postgres"\ndsn = "{DSN}"\n'


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
        (GOOD.replace("passfile=", "sslpassword=hush passfile="), 6, "dsn holds a password"),
        (GOOD.replace("verify-full", "prefer"), 6, "nothing proves who answers there"),
        (
            'engine = "postgres"\ndsn = "postgresql://p@127.0.0.1,db:5433/city"\n',
            6,
            "nothing proves",
        ),
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


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://p@a:5433,b:5434/city?sslmode=verify-full",
        "postgresql://p@127.0.0.1:5433,[::1]:5434/city",
        "host=/run/postgresql,::1,localhost dbname=city",
        "host=10.0.0.5 dbname=city sslmode=disable",
        "dbname=city",
    ],
)
def test_servers_here_or_that_prove_themselves_are_taken(tmp_path: Path, dsn: str) -> None:
    """A port's colon is no password's; whose line is the operator's own may say so."""
    assert read_config(written(tmp_path, f'engine = "postgres"\ndsn = "{dsn}"\n')).store.dsn == dsn
