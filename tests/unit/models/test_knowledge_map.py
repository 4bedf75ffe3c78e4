"""The knowledge map: edges, the patent's equations, the anchored update, learning and leaving."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import Algorithm, MapSettings
from coordinator.core.reliability.printed import equation_1, second_order
from coordinator.core.reliability.similarity import Measure, graph, similarity


def fleet(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 9), dtype=np.float32)
    rows[np.arange(n), rng.integers(0, 4, n)] = 1.0
    rows[:, 4:] = rng.uniform(0, 0.5, (n, 5))
    return rows


def dense_weights(a: np.ndarray, theta: float) -> np.ndarray:
    """The weights as the definition says, formed in full."""
    mixed = a + theta * (a @ a)
    np.fill_diagonal(mixed, 0.0)
    total = mixed.sum(axis=1, keepdims=True)
    return np.divide(mixed, total, out=np.zeros_like(mixed), where=total > 0)


def test_graph_keeps_edges_above_the_threshold_only() -> None:
    """An edge exists exactly where the similarity is larger than the threshold, never to itself."""
    rows = fleet(40)
    full = similarity(rows)
    np.fill_diagonal(full, 0.0)

    edges = graph(rows, threshold=0.8, max_edges=40).toarray()

    assert np.array_equal(edges > 0, full > 0.8)


def test_graph_keeps_the_strongest_edges_of_a_row() -> None:
    """With more similar piles than edges allowed, the strongest stay."""
    rows = fleet(60)
    full = similarity(rows)
    np.fill_diagonal(full, 0.0)

    edges = graph(rows, threshold=0.1, max_edges=5).toarray()

    for row in range(60):
        kept = np.flatnonzero(edges[row])
        assert kept.size == 5
        assert full[row, kept].min() >= np.sort(full[row])[-5] - 1e-6


def test_graph_of_equals_prefers_neighbouring_rows() -> None:
    """In a fleet of one model, the EVSEs next to each other are the ones joined."""
    edges = graph(np.ones((50, 3), dtype=np.float32), max_edges=4)

    assert list(edges[20].indices) == [18, 19, 21, 22]


@pytest.mark.parametrize("measure", list(Measure))
def test_similarity_is_symmetric_and_one_with_itself(measure: Measure) -> None:
    """Every measure gives 1 for equal vectors, the same both ways, and stays within [0, 1]."""
    full = similarity(fleet(20), measure)

    assert np.allclose(full, full.T, atol=1e-6)
    assert np.allclose(np.diag(full), 1.0, atol=2e-3)
    assert full.min() >= 0.0
    assert full.max() <= 1.0 + 1e-6


def test_second_order_takes_the_larger_of_two_paths() -> None:
    """Between neighbours of neighbours the best sum w1*s1 + w2*s2 counts; direct edges stay."""
    a = np.zeros((4, 4))
    for i, j, s in ((0, 1, 0.9), (1, 3, 0.81), (0, 2, 0.95), (2, 3, 0.85)):
        a[i, j] = a[j, i] = s

    both = second_order(sparse.csr_matrix(a), (0.5, 0.5)).toarray()

    assert both[0, 3] == pytest.approx(0.9)
    assert both[0, 1] == 0.9
    assert both[0, 0] == 0.0


def test_equation_1_leaves_the_unit_interval() -> None:
    """One pass of the printed Eq. (1) over a dense fleet gives rates above one."""
    a = graph(fleet(60), threshold=0.5)

    assert equation_1(np.full(60, 0.1), a).max() > 1.0


def test_map_settles_where_the_direct_solution_lies() -> None:
    """The iterated rates equal (I - GW)^-1 (I - G) x0 within the tolerance."""
    rows, rng = fleet(50), np.random.default_rng(1)
    prior, exposure = rng.uniform(0, 0.4, 50), rng.exponential(20, 50)
    settings = MapSettings(threshold=0.7, max_edges=6, tolerance=1e-10)

    settled = KnowledgeMap(rows, prior, exposure, settings)

    w = dense_weights(settled.similarity.toarray(), 0.5)
    gamma = np.where(w.sum(axis=1) > 0, 20 / (20 + np.maximum(exposure, 1.0)), 0.0)
    direct = np.linalg.solve(np.eye(50) - gamma[:, None] * w, (1 - gamma) * prior)
    assert np.allclose(settled.rates, direct, atol=1e-8)


def test_map_leaves_an_isolated_pile_alone() -> None:
    """A pile like no other keeps its own rate, however little is known of it."""
    rows = np.eye(3, dtype=np.float32)

    settled = KnowledgeMap(rows, np.array([0.1, 0.2, 0.3]), np.zeros(3))

    assert np.array_equal(settled.rates, [0.1, 0.2, 0.3])


def test_map_new_pile_leans_on_its_kind_and_a_known_one_on_itself() -> None:
    """Without exposure the rate is that of those alike; with ten years it is the pile's own."""
    rows = np.ones((6, 3), dtype=np.float32)
    prior = np.array([0.02, 0.3, 0.3, 0.3, 0.3, 0.02])
    exposure = np.array([0.0, 400, 400, 400, 400, 3650])

    rates = KnowledgeMap(rows, prior, exposure).rates

    assert rates[0] > 0.2
    assert rates[5] < 0.025


@given(
    prior=st.lists(st.floats(0, 1), min_size=12, max_size=12),
    exposure=st.lists(st.floats(0, 1e4), min_size=12, max_size=12),
    order=st.sampled_from([1, 2]),
)
def test_map_rates_stay_between_the_extremes_of_the_evidence(
    prior: list[float], exposure: list[float], order: int
) -> None:
    """Whatever the evidence, no rate leaves the range of the rates it was made of."""
    settled = KnowledgeMap(
        fleet(12), np.array(prior), np.array(exposure), MapSettings(threshold=0.5, order=order)
    )

    assert settled.rates.min() >= min(prior) - 1e-12
    assert settled.rates.max() <= max(prior) + 1e-12


@pytest.mark.parametrize("algorithm", [Algorithm.EQUATION_1, Algorithm.EQUATION_2])
def test_map_runs_the_printed_equations_when_asked(algorithm: Algorithm) -> None:
    """Settings choose the patent's equations; what they overshoot is cut at one."""
    a = KnowledgeMap(
        np.ones((3, 2), dtype=np.float32),
        np.array([0.1, 0.2, 0.9]),
        np.zeros(3),
        MapSettings(algorithm=algorithm, order=1, alpha=0.5, beta=0.25),
    )

    expected = {
        Algorithm.EQUATION_1: [1.0, 1.0, 1.0],
        Algorithm.EQUATION_2: [0.05 + 0.275, 0.1 + 0.25, 0.45 + 0.075],
    }[algorithm]
    assert np.allclose(a.rates, expected, atol=1e-6)


def learnt(knowledge: KnowledgeMap, node: int, prior: float, within: object = None) -> list[int]:
    """The nodes that moved when one node's evidence became `prior`, with the same exposure."""
    days = knowledge.exposure_days[[node]]
    moved = knowledge.learn(np.array([node]), np.array([prior]), days, within)  # type: ignore[arg-type]
    return sorted(moved.tolist())


def test_fault_raises_nodes_of_the_same_type_only_when_asked() -> None:
    """With a part of the nodes given, the rest waits for the update that is for all."""
    rows = np.ones((6, 3), dtype=np.float32)
    knowledge = KnowledgeMap(rows, np.full(6, 0.02), np.full(6, 30.0))
    before = knowledge.rates.copy()
    same = np.array([True, True, True, True, False, False])

    moved = learnt(knowledge, 0, 0.4, same)
    part = knowledge.rates.copy()
    late = learnt(knowledge, 0, 0.4)

    assert moved == [0, 1, 2, 3]
    assert part[0] > before[0] + 0.1
    assert (part[1:4] > before[1:4]).all()
    assert np.array_equal(part[4:], before[4:])
    assert {4, 5} <= set(late)
    anew = KnowledgeMap(rows, knowledge.prior, knowledge.exposure_days)
    assert np.allclose(knowledge.rates, anew.rates, atol=1.1e-4)


def test_faults_one_after_another_do_not_drift() -> None:
    """After two hundred incremental updates the error is still within the tolerance of one."""
    rows, rng = fleet(60), np.random.default_rng(2)
    prior, exposure = rng.uniform(0, 0.2, 60), rng.exponential(30, 60)
    settings = MapSettings(update_tolerance=1e-4)
    knowledge = KnowledgeMap(rows, prior, exposure, settings)

    for node in rng.integers(0, 60, 200).tolist():
        learnt(knowledge, node, float(rng.uniform(0, 0.6)))

    anew = KnowledgeMap(rows, knowledge.prior, exposure, MapSettings(tolerance=1e-12))
    assert np.abs(knowledge.rates - anew.rates).max() <= 1e-4


def test_scrapped_pile_no_longer_speaks() -> None:
    """Once a bad pile has left, the others settle as if it had never been."""
    rows = fleet(20)
    prior, exposure = np.full(20, 0.02), np.full(20, 10.0)
    prior[0] = 0.9
    settings = MapSettings(threshold=0.3, max_edges=32, tolerance=1e-12)
    knowledge = KnowledgeMap(rows, prior, exposure, settings)
    spoiled = knowledge.rates[1:].copy()

    knowledge.leave(np.array([0]))
    knowledge.settle()

    without = KnowledgeMap(rows[1:], prior[1:], exposure[1:], settings)
    assert spoiled.max() > 0.03
    assert np.allclose(knowledge.rates[1:], without.rates, atol=1e-9)
