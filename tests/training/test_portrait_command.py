"""Portrait encoders from a city, sessions or a file: what is written, what is refused."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hand_journeys import camps

torch = pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')

from coordinator.core.recommend.collaborative import learn_tastes  # noqa: E402
from coordinator.models.bundle import load  # noqa: E402
from coordinator.models.portrait import OnnxPortraitEncoder  # noqa: E402
from training import portrait_part as part_module  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.everything import Effort, train_all  # noqa: E402
from training.pairs import PairSettings  # noqa: E402
from training.portrait import PortraitSettings  # noqa: E402
from training.portrait_part import PortraitEffort, learnt_part  # noqa: E402

PAIRS = PairSettings(per_cut=600)
TINY = PortraitEffort(
    cities=1,
    days=3,
    requests_a_day=60,
    drivers=30,
    pairs=PairSettings(per_cut=200),
    learning=PortraitSettings(epochs=2),
)


@pytest.fixture
def small_city(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        part_module, "generate_journeys", lambda seed, number, *size: camps(seed=seed + number)
    )
    monkeypatch.setattr(
        "training.journeys.generate_journeys",
        lambda seed, number, *size: camps(seed=seed + number),
    )
    monkeypatch.setattr(part_module, "PortraitEffort", lambda: TINY)


@pytest.mark.slow
@pytest.mark.parametrize(("low", "shipped"), [(0.01, True), (0.0, False), (-0.01, False)])
@pytest.mark.usefixtures("small_city")
def test_encoder_ships_only_if_it_surely_beats_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float, shipped: bool
) -> None:
    """Unless its gain is above 0 for sure it is left out, with its figures, and all else stays."""
    monkeypatch.setattr(part_module, "gain", lambda *about: (low + 0.01, low, low + 0.02))

    result = train_all(3, tmp_path / "b", Effort(portrait=TINY), only=["portrait"])

    where = "parts" if shipped else "left_out"
    assert set(result[where]) == {"portrait"}
    assert {"gain_low", "statistics_mrr", "encoder_mrr", "elsewhere_encoder_mrr"} <= set(
        result[where]["portrait"]
    )
    assert (tmp_path / "b" / "portrait.onnx").exists() == shipped
    if shipped:
        encoder = load(tmp_path / "b").models["portrait"]
        assert isinstance(encoder, OnnxPortraitEncoder)
        journeys = camps()
        tastes = learn_tastes({"u0": {"S0": 3}}, {}, journeys.stations, encoder)
        assert tastes.fallback == ""


@pytest.mark.slow
def test_real_sessions_teach_without_a_city() -> None:
    """Journeys of any origin make a part, with what it gains and how sure that is."""
    part = learnt_part([camps()], 1, replace(TINY, pairs=PAIRS), placed=False)

    assert part.metrics["gain_low"] <= part.metrics["gain"] <= part.metrics["gain_high"]
    assert part.worth == (part.metrics["gain_low"] > 0)


def write_vectors(path: Path, users: int = 40, **names: str) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "v0", "v1", *names])
        for number in range(users):
            rows.writerow([f"u{number}", number % 2, 0.5, *names.values()])
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("small_city")
def test_supervised_mode_of_the_command_learns_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--mode supervised --vectors FILE` writes an encoder whose vectors are those of the file."""
    file = write_vectors(tmp_path / "v.csv")

    given = ["--mode", "supervised", "--vectors", str(file), "--out", str(tmp_path / "b")]

    code = main(["portrait", *given, "--json"])

    out = capsys.readouterr().out.strip().splitlines()
    assert code == 0
    told = json.loads(out[-1])
    assert told["mode"] == "supervised"
    assert told["rmse"] < 0.5 * told["spread"]
    journeys = camps(seed=7)
    rows = part_module.rows_before(journeys, float(journeys.at_s[-1]))
    vectors = load(tmp_path / "b").models["portrait"].portraits(rows)
    assert vectors[1::2, 0].min() > vectors[::2, 0].max()


@pytest.mark.usefixtures("small_city")
@pytest.mark.parametrize(
    ("given", "code", "word"),
    [
        (["--mode", "supervised"], 2, "TRAIN-008"),
        (["--vectors", "v.csv"], 2, "TRAIN-008"),
        (["--sessions", "s.csv"], 2, "TRAIN-008"),
        (["--encoder", "b"], 2, "TRAIN-008"),
        (["--mode", "supervised", "--vectors", "absent.csv"], 3, "TRAIN-002"),
        (["--mode", "supervised", "--vectors", "few.csv"], 3, "20 are needed"),
        (["--mode", "supervised", "--vectors", "wide.csv"], 3, "1 to 48 numbers"),
        (["--mode", "supervised", "--vectors", "nan.csv"], 3, "TRAIN-002"),
    ],
)
def test_command_says_what_is_wrong_with_its_options_and_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    code: int,
    word: str,
) -> None:
    """Options that do not go together end with 2, files that cannot be used with 3 and a hint."""
    monkeypatch.chdir(tmp_path)
    write_vectors(tmp_path / "few.csv", users=3)
    write_vectors(tmp_path / "wide.csv", **{f"w{n}": "1" for n in range(60)})
    write_vectors(tmp_path / "nan.csv", w="inf")

    seen = main(["portrait", *given])

    told = capsys.readouterr().err
    assert seen == code
    assert word in told
    assert "hint:" in told
