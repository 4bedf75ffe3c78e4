"""A tiny training run, end to end: a bundle that loads, agrees with torch, and is monotone."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from coordinator.core.recommend.features import COLUMN, FEATURES, MONOTONE  # noqa: E402
from coordinator.models.bundle import Bundle, load  # noqa: E402
from coordinator.models.serving import BUNDLED  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.arrival import ArrivalSettings  # noqa: E402
from training.choices_file import NEEDED, ChoicesUnusable  # noqa: E402
from training.everything import Effort, train_all  # noqa: E402
from training.export import PARITY, NotKept, ParityBroken, check_parity, to_onnx  # noqa: E402
from training.failure import FailureSettings  # noqa: E402
from training.pairs import PairSettings  # noqa: E402
from training.portrait import PortraitSettings  # noqa: E402
from training.portrait_part import PortraitEffort  # noqa: E402
from training.ranker import RankerSettings, SetRanker  # noqa: E402
from training.travel import TravelSettings  # noqa: E402

pytestmark = pytest.mark.slow

TINY = Effort(
    cities=2,
    days=4,
    requests_a_day=30,
    drivers=15,
    fleets=3,
    piles=400,
    ranker=RankerSettings(epochs=3),
    failure=FailureSettings(epochs=4),
    travel_cities=2,
    travel_days=2,
    travel=TravelSettings(epochs=3),
    addresses=40,
    arrival=ArrivalSettings(epochs=1, each=60),
    portrait=PortraitEffort(
        cities=1,
        days=3,
        requests_a_day=60,
        drivers=30,
        pairs=PairSettings(per_cut=200),
        learning=PortraitSettings(epochs=2),
    ),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("bundle")
    return folder, train_all(3, folder, TINY)


@pytest.fixture(scope="module")
def bundle(made: tuple[Path, dict[str, Any]]) -> Bundle:
    return load(made[0], made[1]["manifest_sha256"])


def test_tiny_run_gives_a_bundle_that_serves(
    made: tuple[Path, dict[str, Any]], bundle: Bundle
) -> None:
    """The bundle passes every check of the loader, has both parts, and reports its metrics."""
    result = made[1]

    assert bundle.ranker is not None
    assert bundle.failure is not None
    assert bundle.version == "1.0.0-seed3"
    assert result["bytes"] < 200_000
    assert all(part["parity"] <= PARITY for part in result["parts"].values())
    assert 0 < result["parts"]["ranker"]["mrr"] <= 1


def test_a_card_with_plots_stands_beside_the_bundle(made: tuple[Path, dict[str, Any]]) -> None:
    """Every part has its figures in the card; ranker and failure model are drawn."""
    text = (made[0] / "card.md").read_text()

    assert "# Model card: generated-city 1.0.0-seed3" in text
    for name in made[1]["parts"]:
        assert f"## {name}\n" in text
    for plot in ("ranker.ndcg_by_level.svg", "failure.reliability.svg"):
        assert f"({plot})" in text
        assert (made[0] / plot).read_text().startswith("<svg")


def test_same_seed_gives_the_same_bytes(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """A second run with the same seed writes the same files, to the last byte."""
    again = train_all(3, tmp_path, TINY)

    assert again["manifest_sha256"] == made[1]["manifest_sha256"]
    for file in made[0].iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_another_seed_gives_other_weights(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The seed reaches data and weights."""
    assert train_all(4, tmp_path, TINY)["manifest_sha256"] != made[1]["manifest_sha256"]


def test_files_say_nothing_of_the_machine(made: tuple[Path, dict[str, Any]]) -> None:
    """No path of this machine and no source file is left in what is shipped."""
    for file in made[0].iterdir():
        content = file.read_bytes()
        assert b".py" not in content, file.name
        assert str(Path.cwd()).encode() not in content, file.name


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), column=st.sampled_from(MONOTONE), more=st.floats(0.01, 1e3))
def test_even_a_barely_trained_ranker_is_monotone(
    bundle: Bundle, seed: int, column: str, more: float
) -> None:
    """Monotonicity is built in, not learned: three epochs keep it for any input."""
    assert bundle.ranker is not None
    rng = np.random.default_rng(seed)
    rows = np.abs(rng.normal(0, 20, (6, len(FEATURES)))).astype(np.float32)
    rows[:, COLUMN["level_high"] : COLUMN["level_low"] + 1] = np.eye(3)[rng.integers(3)]
    before = bundle.ranker.scores(rows)

    rows[2, COLUMN[column]] += more
    after = bundle.ranker.scores(rows)

    assert after[2] <= before[2] + 1e-5 * max(1.0, abs(float(before[2])))


def test_random_weights_are_monotone_too() -> None:
    """With weights from nowhere the score still falls with wait, price and risk."""
    torch.manual_seed(1)
    model = SetRanker(np.zeros(len(FEATURES), np.float32), np.ones(len(FEATURES), np.float32))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 2.0)
    rows = torch.rand(4, 5, len(FEATURES))
    rows[:, :, COLUMN["level_high"] : COLUMN["level_low"] + 1] = torch.tensor([0.0, 0.0, 1.0])
    mask = torch.ones(4, 5)
    before = model(rows, mask)

    for column in MONOTONE:
        worse = rows.clone()
        worse[:, 1, COLUMN[column]] += 0.5
        assert (model(worse, mask)[:, 1] < before[:, 1]).all()


def test_masked_candidates_do_not_speak() -> None:
    """What stands in masked rows changes nothing for the others."""
    torch.manual_seed(2)
    model = SetRanker(np.zeros(len(FEATURES), np.float32), np.ones(len(FEATURES), np.float32))
    rows, mask = torch.rand(1, 6, len(FEATURES)), torch.ones(1, 6)
    mask[0, 4:] = 0.0
    other = rows.clone()
    other[0, 4:] = 99.0

    assert torch.allclose(model(rows, mask)[0, :4], model(other, mask)[0, :4])


def test_one_part_anew_leaves_the_others_as_they_are(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """`only` rewrites one part and the manifest; the bundle loads, the other part is untouched."""
    folder = tmp_path / "bundle"
    shutil.copytree(made[0], folder)

    result = train_all(4, folder, TINY, only=["failure"])

    assert list(result["parts"]) == ["failure"]
    anew = load(folder, result["manifest_sha256"])
    assert anew.ranker is not None
    assert (folder / "failure.onnx").read_bytes() != (made[0] / "failure.onnx").read_bytes()
    assert (folder / "ranker.onnx").read_bytes() == (made[0] / "ranker.onnx").read_bytes()


def test_part_kept_must_be_what_the_manifest_names(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A changed file is not taken into a new manifest as if it had been made so."""
    folder = tmp_path / "bundle"
    shutil.copytree(made[0], folder)
    (folder / "ranker.onnx").write_bytes(b"other")

    with pytest.raises(NotKept, match=r"ranker\.onnx"):
        train_all(3, folder, TINY, only=["failure"])


def test_command_names_the_parts_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part that nobody makes is refused with the names of those there are; nothing is written."""
    code = main(["all", "--only", "rankr", "--out", str(tmp_path / "b")])

    error = capsys.readouterr().err
    assert code == 2
    assert "error[TRAIN-005]" in error
    assert "rankr" in error
    assert "ranker, failure" in error
    assert not (tmp_path / "b").exists()


def test_ranker_learns_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--choices FILE` trains the ranker on what the file says was chosen: here the farthest."""
    monkeypatch.setattr("training.everything.Effort", lambda: TINY)
    names = [*NEEDED]
    lines = [",".join(names)]
    rng = np.random.default_rng(5)
    for request in range(200):
        drive = rng.uniform(1.0, 30.0, 5)
        for place in range(5):
            row = dict.fromkeys(names, "0") | {
                "request": f"r{request}",
                "at": f"2026-01-{1 + request // 20:02d}T08:{request % 20:02d}:00Z",
                "station": f"S{place}",
                "chosen": str(int(place == int(np.argmax(drive)))),
                "drive_min": f"{drive[place]:.3f}",
                "level_low": "1",
            }
            lines.append(",".join(row[name] for name in names))
    file = tmp_path / "choices.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")

    code = main(
        ["all", "--only", "ranker", "--choices", str(file), "--out", str(tmp_path / "b"), "--json"]
    )

    metrics = json.loads(capsys.readouterr().out)["parts"]["ranker"]
    assert code == 0
    assert metrics["hit1"] > 0.6 > metrics["nearest_hit1"]
    assert "elsewhere_hit1" not in metrics


def test_unusable_file_of_choices_is_told_before_anything_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without the columns ends with code 3, naming them."""
    file = tmp_path / "choices.csv"
    file.write_text("request,at\nr1,2026-01-05T08:00:00Z\n", "utf-8")

    code = main(["all", "--only", "ranker", "--choices", str(file), "--out", str(tmp_path / "b")])

    error = capsys.readouterr().err
    assert code == 3
    assert "error[TRAIN-007]" in error
    assert "no column station" in error


def test_export_that_differs_is_caught() -> None:
    """A module changed after its export fails parity by name."""
    module = torch.nn.Linear(3, 1)
    feed = {"x": torch.rand(2, 3)}
    content = to_onnx(module, feed, "y", [("batch",)])
    assert check_parity("line", module, content, feed) <= PARITY

    with torch.no_grad():
        module.bias += 0.1

    with pytest.raises(ParityBroken, match="line"):
        check_parity("line", module, content, feed)


def test_command_prints_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m training all --json` writes where it is told and ends with one object."""
    monkeypatch.setattr("training.everything.Effort", lambda: TINY)
    monkeypatch.setattr("os.cpu_count", lambda: 1)

    code = main(["all", "--seed", "3", "--out", str(tmp_path / "b"), "--json"])

    out = capsys.readouterr().out.strip().splitlines()
    assert code == 0
    assert len(out) == 1
    assert json.loads(out[0])["version"] == "1.0.0-seed3"
    assert load(tmp_path / "b").ranker is not None


def test_parts_that_learn_side_by_side_are_the_same(tmp_path: Path) -> None:
    """Two processes change no byte of what is served, and what they say is heard."""
    words: list[str] = []
    names = ["failure", "arrival"]
    for count in (1, 2):
        train_all(3, tmp_path / str(count), TINY, words.append, names, processes=count)

    one, two = ((tmp_path / str(count) / "manifest.json").read_bytes() for count in (1, 2))
    assert one == two
    assert len(words) % 2 == 0
    assert sorted(words[: len(words) // 2]) == sorted(words[len(words) // 2 :])


def test_part_that_cannot_learn_says_why_from_its_process(tmp_path: Path) -> None:
    """The reason comes out of the process as it was raised there."""
    effort = dataclasses.replace(TINY, choices_file=tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("request_id\nR1\n")

    with pytest.raises(ChoicesUnusable, match=r"bad\.csv"):
        train_all(3, tmp_path / "b", effort, only=["ranker", "failure"], processes=2)


@pytest.mark.timeout(1500)
def test_shipped_bundle_is_what_seed_7_makes(tmp_path: Path) -> None:
    """The committed weights are reproduced: metrics within 0.02 of what the manifest says."""
    anew = train_all(7, tmp_path, processes=2)

    shipped = load(BUNDLED)
    for part in shipped.parts:
        seen = anew["parts"][part.name]
        for name in ("mrr", "hit1", "brier", "auc"):
            if name in part.metrics:
                assert seen[name] == pytest.approx(part.metrics[name], abs=0.02), name
