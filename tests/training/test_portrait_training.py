"""The portrait encoder and its judge: what they are, how they learn, how they are exported."""

import numpy as np
import pytest
from hand_journeys import camps

torch = pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')

from coordinator.core.recommend.portrait import COLUMNS, STATISTICS  # noqa: E402
from coordinator.models.portrait import EXTRACTED, WIDTH  # noqa: E402
from training import portrait_part as part_module  # noqa: E402
from training.export import PARITY, run_onnx  # noqa: E402
from training.pairs import NEAR_IN_BASICS, NEAR_IN_PLACE, PairSettings  # noqa: E402
from training.portrait import (  # noqa: E402
    Judge,
    PairModel,
    PortraitSettings,
    new_encoder,
    train_on_pairs,
    train_on_vectors,
    turned,
)
from training.portrait_part import (  # noqa: E402
    LEARNED,
    STOPPED,
    as_part,
    judge_onnx,
    pairs_of,
)

PAIRS = PairSettings(per_cut=600)
QUICK = PortraitSettings(epochs=8, batch=64)


def some_rows(count: int = 8, seed: int = 3) -> np.ndarray:
    """Half of users with a history, half of those without."""
    rng = np.random.default_rng(seed)
    rows = rng.random((count, len(COLUMNS))).astype(np.float32)
    rows[:, 0] = np.arange(count) % 2
    rows[rows[:, 0] == 0, : len(STATISTICS)] = 0.0
    return rows


def test_judge_is_the_same_whoever_comes_first() -> None:
    """Likeness is symmetric, within 0 and 1, and falls with the distance of the vectors."""
    torch.manual_seed(1)
    judge = Judge()
    first, second = torch.randn(50, WIDTH), torch.randn(50, WIDTH)

    seen = judge(first, second)

    assert torch.equal(seen, judge(second, first))
    assert ((seen > 0) & (seen < 1)).all()
    assert (judge(first, first) >= seen).all()
    further = judge(first, first + 2.0 * (second - first))
    assert (further < seen).all()


def test_both_users_pass_the_same_extraction_layer() -> None:
    """The likeness of two users is what the judge makes of both their vectors."""
    torch.manual_seed(2)
    model = PairModel(new_encoder(some_rows()))
    first, second = torch.from_numpy(some_rows(6, 1)), torch.from_numpy(some_rows(6, 2))

    seen = model(first, second)

    assert torch.allclose(seen, model.judge(model.encoder(first), model.encoder(second)))
    assert torch.allclose(seen, model(second, first))


def test_who_is_new_is_told_apart_by_words_alone() -> None:
    """Without a history one is as far from everybody, but for models and habits."""
    torch.manual_seed(3)
    encoder = new_encoder(some_rows(40))
    rows = some_rows(40)
    rows[:, len(STATISTICS) :] = 0.0
    known = rows[:, 0] > 0
    rows[~known, len(STATISTICS)] = 1.0
    rows[1, len(STATISTICS)] = 1.0  # of the known, one drives the same model

    vectors = encoder(torch.from_numpy(rows)).detach().numpy()

    assert (vectors[~known, :EXTRACTED] == 0).all()
    far = np.linalg.norm(vectors[known] - vectors[0], axis=1)
    assert np.argmin(far) == 0
    assert np.allclose(far[1:], far[1], atol=1e-5)


def test_no_word_is_learned_by_heart() -> None:
    """Any two models weigh alike: exchanged columns give exchanged vectors."""
    torch.manual_seed(4)
    encoder, rows = new_encoder(some_rows()), some_rows()
    at = len(STATISTICS)
    exchanged = rows.copy()
    exchanged[:, [at, at + 5]] = rows[:, [at + 5, at]]

    one = encoder(torch.from_numpy(rows)).detach().numpy()
    other = encoder(torch.from_numpy(exchanged)).detach().numpy()

    one[:, [EXTRACTED, EXTRACTED + 5]] = one[:, [EXTRACTED + 5, EXTRACTED]]
    assert np.array_equal(one, other)


def test_turned_cities_keep_distances_and_all_else() -> None:
    """A pair's city is turned and mirrored as a whole: how far apart both are stays."""
    torch.manual_seed(5)
    first, second = torch.from_numpy(some_rows(30, 1)), torch.from_numpy(some_rows(30, 2))
    north = STATISTICS.index("north")

    one, other = turned(first, second)

    apart = [torch.linalg.norm(a[:, north : north + 2] - b[:, north : north + 2], dim=1)
             for a, b in ((first, second), (one, other))]  # fmt: skip
    assert torch.allclose(apart[0], apart[1], atol=1e-5)
    assert not torch.allclose(first, one)
    rest = [column for column in range(len(COLUMNS)) if column not in (north, north + 1)]
    assert torch.equal(first[:, rest], one[:, rest])


def test_labels_to_learn_from_end_before_those_to_stop_by_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pair to learn from has a label from the time by which learning is stopped and judged."""
    asked = []
    monkeypatch.setattr(
        part_module, "draw_pairs", lambda one, *span: asked.append(span[:2]) or _drawn(one, *span)
    )
    journeys = camps()

    train, stop = pairs_of([journeys], 1, PAIRS)

    for cut_s, until_s in asked[:-1]:
        assert cut_s < until_s <= journeys.time(LEARNED)
    assert asked[-1] == (journeys.time(LEARNED), journeys.time(STOPPED))
    for pairs in (train, stop):
        assert {NEAR_IN_PLACE, NEAR_IN_BASICS} == set(pairs.group.tolist())


_drawn = part_module.draw_pairs


@pytest.mark.slow
def test_trained_model_knows_whose_choices_will_be_alike() -> None:
    """It says more of later choices than their mean likeness, and the same seed the same."""
    train, stop = pairs_of([camps(), camps(seed=2)], 1, PAIRS)
    told: list[str] = []

    model = train_on_pairs(train, stop, 7, QUICK, told.append)
    again = train_on_pairs(train, stop, 7, QUICK)

    rows = torch.from_numpy(stop.rows)
    with torch.no_grad():
        seen = model(rows[stop.first], rows[stop.second]).numpy()
        assert np.array_equal(seen, again(rows[stop.first], rows[stop.second]).numpy())
    # Of users with a history, over all that they chose: of one choice chance has its part.
    told_of = (stop.group == NEAR_IN_BASICS) & (stop.rows[stop.first, 0] > 0)
    error = np.mean((seen - stop.likeness)[told_of] ** 2)
    assert error < 0.85 * np.var(stop.likeness[told_of])
    assert len(told) == QUICK.epochs
    assert "validation loss" in told[0]


@pytest.mark.slow
def test_learning_stops_without_gain_and_keeps_the_best() -> None:
    """So many epochs without gain end it; the weights are those of the least validation loss."""
    train, stop = pairs_of([camps()], 1, PAIRS)
    told: list[str] = []
    settings = PortraitSettings(epochs=40, patience=2, learning_rate=0.3)

    model = train_on_pairs(train, stop, 7, settings, told.append)

    losses = [float(line.rpartition(" ")[2]) for line in told]
    best = int(np.argmin(losses))
    assert len(losses) < settings.epochs
    assert len(losses) - 1 - best == settings.patience
    rows = torch.from_numpy(stop.rows)
    with torch.no_grad():
        logits = model.logits(rows[stop.first], rows[stop.second])
    now = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(stop.likeness)
    )
    assert float(now) == pytest.approx(losses[best], abs=1e-3)


@pytest.mark.slow
def test_encoder_leaves_alone_and_computes_the_same() -> None:
    """The exported part is the encoder without its judge; any number of users passes."""
    torch.manual_seed(6)
    rows = some_rows(300)
    encoder = new_encoder(rows)

    part = as_part(encoder, rows, "0" * 64)

    assert part.metrics["parity"] <= PARITY
    assert part.name == "portrait"
    for count in (1, 2, 300):
        seen = run_onnx(part.content, {"rows": rows[:count]})
        with torch.no_grad():
            expected = encoder(torch.from_numpy(rows[:count])).numpy()
        assert seen.shape == (count, WIDTH)
        assert np.allclose(seen, expected, atol=PARITY, rtol=PARITY)
    golden = np.array(part.golden["rows"])
    assert {0.0, 1.0} == set(golden[:, 0])


@pytest.mark.slow
def test_judge_is_exported_for_tests() -> None:
    """The judgment layer as ONNX gives the likeness that the trained one gives."""
    torch.manual_seed(7)
    rows = some_rows(20)
    model = PairModel(new_encoder(rows))
    content = judge_onnx(model, rows)
    with torch.no_grad():
        vectors = model.encoder(torch.from_numpy(rows))
        expected = model.judge(vectors, vectors.flip(0)).numpy()

    seen = run_onnx(content, {"first": vectors.numpy(), "second": vectors.flip(0).numpy()})

    assert seen.shape == (20,)
    assert np.allclose(seen, expected, atol=PARITY)


@pytest.mark.slow
def test_supervised_encoder_gives_the_vectors_of_its_labels() -> None:
    """It learns given vectors, words included; numbers that were not given are 0."""
    rng = np.random.default_rng(1)
    rows = some_rows(400)
    wanted = np.stack(
        [rows[:, len(STATISTICS)], rows[:, 1] - 0.5 * rows[:, -1], np.full(400, 0.25)], axis=1
    ) + rng.normal(0, 0.01, (400, 3)).astype(np.float32)

    encoder = train_on_vectors(
        rows, wanted.astype(np.float32), 7, PortraitSettings(epochs=200, patience=30, batch=64)
    )

    with torch.no_grad():
        seen = encoder(torch.from_numpy(rows)).numpy()
    assert seen.shape == (400, WIDTH)
    assert np.sqrt(np.mean((seen[:, :3] - wanted) ** 2)) < 0.3 * wanted.std(axis=0).max()
    assert np.abs(seen[:, 3:]).mean() < 0.1
