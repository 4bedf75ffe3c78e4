"""Every graph the map may meet: rates in [0, 1], one fixed point, incremental equal to whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import Algorithm, MapSettings
from coordinator.core.reliability.relaxation import Flow, amplification

EXACT = MapSettings(tolerance=1e-10, update_tolerance=1e-6)


def weights(shape: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Similarities of a graph of some shape, rows what each node leans on."""
    full = rng.uniform(0.8, 1.0, (n, n))
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    if shape == "isolated":
        full[:] = 0.0
    elif shape == "sparse":
        full[rng.random((n, n)) > 0.15] = 0.0
    elif shape == "two halves":
        half = np.arange(n) < n // 2
        full[half[:, None] != half[None, :]] = 0.0
    elif shape == "chain":
        full[near != 1] = 0.0
    elif shape == "star":
        full[1:, 1:] = 0.0
    elif shape == "pairs":
        full[np.arange(n)[:, None] // 2 != np.arange(n)[None, :] // 2] = 0.0
    elif shape == "one way":
        full[near != 1] = 0.0
        full = np.triu(full)
    np.fill_diagonal(full, 0.0)
    return full


SHAPES = ["isolated", "sparse", "two halves", "chain", "star", "pairs", "one way", "complete"]
graphs = st.builds(
    lambda shape, n, seed: (weights(shape, n, np.random.default_rng(seed)), seed),
    st.sampled_from(SHAPES),
    st.integers(2, 24),
    st.integers(0, 2**32 - 1),
)


def direct(a: np.ndarray, knowledge: KnowledgeMap) -> np.ndarray:
    """The rates by one dense solution, as the definition says."""
    s, alive = knowledge.settings, knowledge.alive
    a = a * alive[None, :]
    mixed = a + (s.theta * (a @ a) if s.order > 1 else 0.0)
    np.fill_diagonal(mixed, 0.0)
    total = mixed.sum(axis=1)
    w = mixed / np.where(total > 0, total, 1.0)[:, None]
    days = np.maximum(knowledge.exposure_days, s.least_exposure_days)
    gamma = np.where((total > 0) & alive, s.kappa_days / (s.kappa_days + days), 0.0)
    size = len(a)
    return np.linalg.solve(np.eye(size) - gamma[:, None] * w, (1 - gamma) * knowledge.prior)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(graph=graphs, order=st.sampled_from([1, 2]), scale=st.sampled_from([0.0, 1.0, 1e4]))
def test_every_graph_converges_to_the_direct_solution(
    graph: tuple[np.ndarray, int], order: int, scale: float
) -> None:
    """Isolated, disconnected, complete, one-way or bipartite, observed or not: one fixed point."""
    a, seed = graph
    rng, n = np.random.default_rng(seed), len(a)
    prior, days = rng.uniform(0, 1, n), scale * rng.random(n)
    figures = MapSettings(tolerance=1e-10, order=order)

    knowledge = KnowledgeMap.on(sparse.csr_matrix(a), prior, days, figures)

    assert np.allclose(knowledge.rates, direct(a, knowledge), atol=1e-8)
    assert knowledge.rates.min() >= prior.min() - 1e-12
    assert knowledge.rates.max() <= prior.max() + 1e-12


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    graph=graphs,
    order=st.sampled_from([1, 2]),
    faults=st.lists(st.integers(0, 23), min_size=1, max_size=8),
    partly=st.booleans(),
)
def test_incremental_updates_equal_the_whole_map(
    graph: tuple[np.ndarray, int], order: int, faults: list[int], partly: bool
) -> None:
    """Whatever was learned, and on which part first, the rates are those of a map made anew."""
    a, seed = graph
    rng, n = np.random.default_rng(seed), len(a)
    figures = MapSettings(tolerance=1e-10, update_tolerance=1e-6, order=order)
    knowledge = KnowledgeMap.on(
        sparse.csr_matrix(a), rng.uniform(0, 0.2, n), rng.exponential(5, n), figures
    )

    for fault in faults:
        nodes = np.unique([fault % n, (fault * 7) % n])
        prior, days = rng.uniform(0, 1, nodes.size), rng.exponential(20, nodes.size)
        within = rng.random(n) < 0.5 if partly else None
        knowledge.learn(nodes, prior, days, within)
        assert 0.0 <= knowledge.rates.min() <= knowledge.rates.max() <= 1.0
    knowledge.learn(nodes, prior, days)

    assert np.abs(knowledge.rates - direct(a, knowledge)).max() <= 1e-6 + 1e-9


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(graph=graphs, gone=st.sets(st.integers(0, 23), min_size=1, max_size=20))
def test_every_graph_survives_scrapped_piles(graph: tuple[np.ndarray, int], gone: set[int]) -> None:
    """However many leave, the others settle as if these had never been, and still learn."""
    a, seed = graph
    rng, n = np.random.default_rng(seed), len(a)
    prior, days = rng.uniform(0, 1, n), rng.exponential(20, n)
    knowledge = KnowledgeMap.on(sparse.csr_matrix(a), prior, days, EXACT)

    knowledge.leave(np.unique([node % n for node in gone]))
    knowledge.settle()
    node = np.array([seed % n])
    if knowledge.alive[node[0]]:
        knowledge.learn(node, np.array([0.9]), np.array([40.0]))

    assert np.abs(knowledge.rates - direct(a, knowledge)).max() <= 1e-6 + 1e-9


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(graph=graphs, algorithm=st.sampled_from([Algorithm.EQUATION_1, Algorithm.EQUATION_2]))
def test_every_graph_stays_in_bounds_as_printed(
    graph: tuple[np.ndarray, int], algorithm: Algorithm
) -> None:
    """The printed equations, cut at one, give rates too, and learn what a map anew would say."""
    a, seed = graph
    rng, n = np.random.default_rng(seed), len(a)
    prior, days = rng.uniform(0, 1, n), np.zeros(n)
    figures = MapSettings(algorithm=algorithm)
    knowledge = KnowledgeMap.on(sparse.csr_matrix(a), prior, days, figures)

    knowledge.learn(np.array([0]), np.array([0.7]), np.zeros(1))

    anew = KnowledgeMap.on(sparse.csr_matrix(a), knowledge.prior, days, figures)
    assert 0.0 <= knowledge.rates.min() <= knowledge.rates.max() <= 1.0
    assert np.array_equal(knowledge.rates, anew.rates)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(graph=graphs, share=st.floats(0.0, 0.95))
def test_amplification_bounds_the_inverse(graph: tuple[np.ndarray, int], share: float) -> None:
    """K is at least the norm of (I-M)^-1, by which a residual may exceed itself, and near it."""
    a, _ = graph
    flow = Flow(sparse.csr_matrix(a), 0.5, np.ones(len(a), dtype=bool))
    gamma = np.where(flow.row_sum > 0, share, 0.0)

    k = amplification(flow, gamma)

    m = np.column_stack([gamma * flow(column) for column in np.eye(len(a))])
    norm = np.abs(np.linalg.inv(np.eye(len(a)) - m)).sum(axis=1).max()
    assert norm <= k * (1 + 1e-12) + 1e-12
    assert k <= 1.02 * norm + 1e-9


def test_a_large_graph_learns_along_few_edges() -> None:
    """In a long chain a fault moves its surroundings, not the far end, and is exact there."""
    n = 5_000
    links = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1]).tocsr()
    knowledge = KnowledgeMap.on(links, np.full(n, 0.02), np.full(n, 10.0))

    moved = knowledge.learn(np.array([2_500]), np.array([0.8]), np.array([10.0]))

    assert 3 < moved.size < 100
    anew = KnowledgeMap.on(links, knowledge.prior, knowledge.exposure_days)
    assert np.abs(knowledge.rates - anew.rates).max() <= 1.01e-4


@pytest.mark.parametrize(
    ("a", "words"),
    [
        (np.eye(3), "joins node 0 to itself"),
        (-np.ones((3, 3)), "not a positive number"),
        (np.full((3, 3), np.nan), "not a positive number"),
        (np.ones((3, 2)), "expected"),
    ],
)
def test_graph_that_is_none_is_refused(a: np.ndarray, words: str) -> None:
    """Self-loops, weights that are not positive and wrong shapes are named."""
    with pytest.raises(ValueError, match=words):
        KnowledgeMap.on(sparse.csr_matrix(a), np.zeros(3), np.zeros(3))
