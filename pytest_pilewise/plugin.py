"""What pytest meets: options, markers, fixtures and hooks of the bench.

Everything behind them is imported when a test first asks for it, so that a run without a bench
pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_pilewise.agent import AgentUnderTest
    from pytest_pilewise.clock import BenchClock
    from pytest_pilewise.coordinator import CoordinatorUnderTest
    from pytest_pilewise.keeper import PileKeeper
    from pytest_pilewise.pile import Pile

PileFactory = Callable[..., "Pile"]
_KEEPER: pytest.StashKey[PileKeeper] = pytest.StashKey()
_PARTS: pytest.StashKey[list[Any]] = pytest.StashKey()
# Fixtures whose subjects cannot be stepped: they live in real time.
_LIVING = ("agent_under_test", "coordinator_under_test")
_MARKERS = (
    "pile(model=..., clock=..., **settings): what the `pile` fixture is, as in a simulator's TOML",
    "max_detection(fault=..., within_s=..., status=..., error=...): a run per mark, as `detection`",
    "requirement(*ids): requirements that the test shows; properties of the JUnit test case",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for a real device, for the clock and the seed."""
    group = parser.getgroup("pilewise", "charging piles on a bench")
    add = group.addoption
    add("--pile-profile", metavar="NAME", help="model of the pile; with a real one its profile")
    add("--pile-host", metavar="HOST", help="test the real pile at this host")
    add("--pile-port", metavar="PORT", type=int, help="its TCP port; else the profile's")
    add("--pile-serial", metavar="DEVICE", help="test the real pile on this serial port")
    add("--pile-unit", metavar="ID", type=int, help="its Modbus unit id; else the profile's")
    add("--pile-clock", metavar="WORD", help="stepped, live or x60; else what the test needs")
    add("--pile-seed", metavar="N", type=int, default=0, help="what simulated piles draw from")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The hooks by which a bench with a real device helps itself."""
    from pytest_pilewise import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers; attaches traces where JUnit XML is written."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("--pile-serial") and config.getoption("--pile-host"):
        raise pytest.UsageError("--pile-host and --pile-serial: name one of both")
    real = config.getoption("--pile-serial") or config.getoption("--pile-host")
    if real and (config.getoption("numprocesses", None) or 0) > 1:
        raise pytest.UsageError(f"{real} serves one test at a time: leave -n away")
    if config.getoption("xmlpath", None) and not hasattr(config, "workerinput"):
        from pytest_pilewise.report import JUnitAttachments

        config.pluginmanager.register(JUnitAttachments(config), "pilewise-junit")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ends every simulator of the run; a worker of xdist has no time left any later."""
    keeper = session.config.stash.get(_KEEPER, None)
    if keeper is not None:
        keeper.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run for each `max_detection` mark."""
    marks = list(metafunc.definition.iter_markers("max_detection"))
    if not marks:
        return
    from pytest_pilewise.detection import marked_cases

    if "detection" not in metafunc.fixturenames:
        name = metafunc.function.__name__
        raise pytest.UsageError(f"{name} has max_detection marks: let it take `detection`")
    try:
        cases = marked_cases(marks)
    except TypeError as error:
        raise pytest.UsageError(f"{metafunc.function.__name__}: {error}") from error
    metafunc.parametrize("detection", cases, ids=[case.fault for case in cases])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Writes the requirements of a test into its properties."""
    for mark in reversed(list(item.iter_markers("requirement"))):
        item.user_properties += [("requirement", str(name)) for name in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attaches traces and logs to the report of a failed test."""
    report = yield
    parts = item.stash.get(_PARTS, None)
    if parts and report.failed and report.when != "teardown":
        from pytest_pilewise.report import attach

        attach(report, parts)
    return report


@pytest.fixture
def bench_clock(request: pytest.FixtureRequest) -> BenchClock:
    """The clock of the test's piles: stepped, or live where an agent or a coordinator runs."""
    return _keeper(request.config).clock(_clock_word(request))


@pytest.fixture
def pile_factory(request: pytest.FixtureRequest, bench_clock: BenchClock) -> Iterator[PileFactory]:
    """Makes piles: `pile_factory(model="keba-p30", connectors=1, ...)`; nominal, reset afterwards.

    Settings are those of a `[[pile]]` table of the simulator. With a real device there is one pile.
    """
    config = request.config
    if config.getoption("--pile-host") or config.getoption("--pile-serial"):
        yield from _real_pile(request, bench_clock)
        return
    keeper, word = _keeper(config), _clock_word(request)
    lent: list[Any] = []

    def make(**settings: Any) -> Pile:
        named = config.getoption("--pile-profile")
        if named and settings.get("face", "modbus") == "modbus":
            settings.setdefault("model", named)
        pile = keeper.lend(word, settings)
        lent.append(pile)
        _introduce(request, pile)
        return pile

    yield make
    for pile in lent:
        keeper.take_back(pile)


@pytest.fixture
def pile(request: pytest.FixtureRequest, pile_factory: PileFactory) -> Pile:
    """One pile, nominal; `@pytest.mark.pile(model=...)` says which."""
    return pile_factory(**_wishes(request))


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """Plays a scenario by name or file in virtual time: `scenario("crc-error", seed=7)`."""
    from functools import partial

    from pytest_pilewise.scenarios import play_scenario

    properties = request.node.user_properties
    return partial(
        play_scenario,
        seed=request.config.getoption("--pile-seed"),
        record=lambda name, value: properties.append((name, str(value))),
    )


@pytest.fixture
def agent_under_test(
    request: pytest.FixtureRequest, bench_clock: BenchClock
) -> Iterator[AgentUnderTest]:
    """A real edge agent as a process; it reads `pile`, and reports to the coordinator under test
    where the test has one, else to a recorder."""
    from pytest_pilewise.agent import AgentUnderTest

    folder = request.getfixturevalue("tmp_path") / "agent"
    above = None
    if "coordinator_under_test" in request.fixturenames:
        above = request.getfixturevalue("coordinator_under_test")
    agent = AgentUnderTest(folder, bench_clock, above)
    request.node.stash.setdefault(_PARTS, []).append(agent)
    try:
        if "pile" in request.fixturenames:
            agent.serve(request.getfixturevalue("pile"))
        yield agent
    finally:
        agent.close()


@pytest.fixture
def coordinator_under_test(
    request: pytest.FixtureRequest, bench_clock: BenchClock
) -> Iterator[CoordinatorUnderTest]:
    """A real district coordinator as a process, with an empty store."""
    from pytest_pilewise.coordinator import CoordinatorUnderTest

    folder = request.getfixturevalue("tmp_path") / "coordinator"
    coordinator = CoordinatorUnderTest(folder, bench_clock)
    request.node.stash.setdefault(_PARTS, []).append(coordinator)
    try:
        coordinator.start()
        yield coordinator
    finally:
        coordinator.close()


def _keeper(config: pytest.Config) -> PileKeeper:
    keeper = config.stash.get(_KEEPER, None)
    if keeper is None:
        import tempfile
        from pathlib import Path

        from pytest_pilewise.keeper import PileKeeper

        folder = Path(tempfile.mkdtemp(prefix="pytest-pilewise-"))
        keeper = PileKeeper(folder, config.getoption("--pile-seed"))
        config.stash[_KEEPER] = keeper
    return keeper


def _clock_word(request: pytest.FixtureRequest) -> str:
    config = request.config
    if config.getoption("--pile-host") or config.getoption("--pile-serial"):
        return "live"
    mark = request.node.get_closest_marker("pile")
    living = any(name in request.fixturenames for name in _LIVING)
    told = (mark.kwargs.get("clock") if mark else None) or config.getoption("--pile-clock")
    return str(told or ("live" if living else "stepped"))


def _wishes(request: pytest.FixtureRequest) -> dict[str, Any]:
    mark = request.node.get_closest_marker("pile")
    return {name: value for name, value in mark.kwargs.items() if name != "clock"} if mark else {}


def _introduce(request: pytest.FixtureRequest, pile: Any) -> None:
    """Lets a pile write into the test's report, and be asked when the test fails."""
    node = request.node
    pile.record = lambda name, value: node.user_properties.append((name, str(value)))
    pile.record("pile", f"{pile.pile_id} {pile.model}")
    node.stash.setdefault(_PARTS, []).append(pile)


def _real_pile(request: pytest.FixtureRequest, clock: BenchClock) -> Iterator[PileFactory]:
    from pytest_pilewise.device import device_of

    device = device_of(request.config, clock)
    made: list[Any] = []

    def make(**settings: Any) -> Pile:
        if made:
            pytest.skip(f"the bench has one real pile, {device.pile_id}; the test wants two")
        device.check(settings)
        made.append(device)
        _introduce(request, device)
        device.trace.begin()
        return device

    yield make
    for pile in made:
        pile.reset()
