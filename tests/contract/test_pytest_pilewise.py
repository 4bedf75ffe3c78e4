"""The pytest plugin: three lines break a pile, and a failure shows what the pile did."""

from __future__ import annotations

import os

import pytest
from bench_runs import junit_cases, properties, run_bench

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

WELD = """
    def test_weld(pile):
        pile.plug_in()
        pile.inject("MREC17EVSEContactorFault")
        pile.expect(status="Faulted", fault="EVSEContactorFault", within_s=2)
"""
MISSED = """
    def test_missed(pile, bench_clock):
        pile.plug_in()
        bench_clock.advance(10)
        pile.expect(status="Faulted", within_s=2)
"""


def test_three_lines_break_a_contactor(pytester: pytest.Pytester) -> None:
    """Plug in, inject, expect: nothing else is needed, no configuration and no port."""
    result = run_bench(pytester, WELD)

    result.assert_outcomes(passed=1)


def test_missed_deadline_shows_what_was_seen_instead(pytester: pytest.Pytester) -> None:
    """The message has pile, wish, deadline and state; the report the moves of its registers."""
    result = run_bench(pytester, MISSED, "--junitxml=out.xml")

    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    assert "P-01*1: expected status Faulted within 2 s; after 2.00 s it is: Charging, IEC C" in out
    assert "pilewise: P-01 (abb-terra-ac), stepped clock, seed 0: trace" in out
    result.stdout.fnmatch_lines(
        [
            "*+0.00 s  plug in P-01[*]1, 50 %",
            "*+10.00 s*charging_state: 0x0000 0x0200 -> 0x0000 0x0400*",
            "*registers now:*",
            "*3:0x4016 voltage_l1 * 0x0000 0x08fc * 230 V*",
        ]
    )
    told = junit_cases(pytester.path / "out.xml")["test_missed"].findtext("system-out") or ""
    assert "plug in P-01*1, 50 %" in told
    assert "voltage_l1" in told


def test_each_test_begins_with_a_nominal_pile(pytester: pytest.Pytester) -> None:
    """What one test plugged in, broke, wrote and parked is gone for the next, on the same pile."""
    result = run_bench(
        pytester,
        """
        def test_leaves_a_mess(pile, bench_clock):
            pile.plug_in()
            bench_clock.advance(60)
            pile.write(0x4100, [0, 8000])
            pile.inject("GroundFailure")
            pile.inject("wire:silent")
            assert pile.state.faults == ("GroundFailure", "wire:silent")

        def test_finds_none(pile):
            assert pile.pile_id == "P-01"
            state = pile.state
            assert (state.status, state.iec, state.faults) == ("Available", "A", ())
            assert (state.plugged, state.energy_kwh, state.bay_occupied) == (False, 0.0, False)
            assert pile.register("active_current_limit").value == 16.0
        """,
    )

    result.assert_outcomes(passed=2)


def test_requirements_and_detection_times_are_junit_properties(pytester: pytest.Pytester) -> None:
    """Each mark makes a run; requirement, fault, measured and allowed seconds are in the report."""
    result = run_bench(
        pytester,
        """
        import pytest

        @pytest.mark.requirement("REQ-7", "REQ-8")
        @pytest.mark.max_detection(fault="GroundFailure", within_s=0.5)
        @pytest.mark.max_detection(fault="CX017", within_s=1, status="OUTOFORDER")
        def test_is_seen(pile, detection):
            pile.plug_in()
            assert detection.check(pile) <= detection.within_s
        """,
        "--junitxml=out.xml",
    )

    result.assert_outcomes(passed=2)
    cases = junit_cases(pytester.path / "out.xml")
    assert set(cases) == {"test_is_seen[GroundFailure]", "test_is_seen[CX017]"}
    told = properties(cases["test_is_seen[CX017]"])
    assert told[:2] == [("requirement", "REQ-7"), ("requirement", "REQ-8")]
    assert ("max_detection_s[CX017]", "1") in told
    measured = dict(told)["detection_s[CX017]"]
    assert 0 <= float(measured) <= 1


def test_detection_cases_name_a_fault_and_its_seconds(pytester: pytest.Pytester) -> None:
    """A table of faults becomes a test each; the one that is not seen is the one that fails."""
    result = run_bench(
        pytester,
        """
        from pytest_pilewise import Detection, detection_cases

        @detection_cases({"GroundFailure": 1.0, "HighTemperature": 1.0})
        def test_quick(pile, detection):
            detection.check(pile)

        @detection_cases([Detection("CableOverTempDerate", 1.0)])
        def test_only_derates(pile, detection):
            detection.check(pile)
        """,
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*FAILED*test_only_derates[[]CableOverTempDerate[]]*"])


def test_detection_mark_that_nobody_takes_is_a_usage_error(pytester: pytest.Pytester) -> None:
    """A mark without the argument, or without its figures, is told and not passed over."""
    result = run_bench(
        pytester,
        """
        import pytest

        @pytest.mark.max_detection(fault="GroundFailure", within_s=1)
        def test_forgot(pile):
            pass
        """,
    )

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*test_forgot has max_detection marks: let it take `detection`*"])


def test_unknown_fault_is_refused_with_the_known_ones(pytester: pytest.Pytester) -> None:
    """The simulator's own reason reaches the test: what was asked, and what there is."""
    result = run_bench(pytester, "def test_typo(pile): pile.inject('GroundFailur')")

    result.assert_outcomes(failed=1)
    out = result.stdout.str()
    assert "InjectFault refused (INVALID_ARGUMENT): fault: unknown 'GroundFailur'" in out
    assert "GroundFailure" in out


def test_wrong_settings_show_the_simulators_own_error(pytester: pytest.Pytester) -> None:
    """A pile that cannot be is an error of the set-up, with the line of the configuration."""
    result = run_bench(
        pytester,
        """
        import pytest

        @pytest.mark.pile(model="abb-terra-ac", max_power_kw=-3)
        def test_never_runs(pile):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    out = result.stdout.str()
    assert "sim-P-01 exited with 3" in out
    assert "pile[0].max_power_kw" in out


def test_piles_of_a_factory_share_one_clock(pytester: pytest.Pytester) -> None:
    """Two piles of different models, each on its own; a step moves both."""
    result = run_bench(
        pytester,
        """
        import pytest

        def test_two(pile_factory, bench_clock):
            slow, quick = pile_factory(), pile_factory(model="alpitronic-hypercharger")
            slow.plug_in(soc_pct=20)
            quick.plug_in(soc_pct=20)
            before_ms = bench_clock.now_ms
            bench_clock.advance(600)
            assert bench_clock.now_ms - before_ms == 600_000
            assert slow.state.power_kw == pytest.approx(11.04)
            assert quick.state.energy_kwh > 5 * slow.state.energy_kwh > 5
            slow.inject("GroundFailure")
            assert quick.state.faults == ()
        """,
    )

    result.assert_outcomes(passed=1)


def test_live_clock_runs_at_its_speed(pytester: pytest.Pytester) -> None:
    """On a clock of x60 a minute of charging takes a second, and deadlines count minutes."""
    result = run_bench(
        pytester,
        """
        import time
        import pytest

        @pytest.mark.pile(clock="x60")
        def test_fast(pile, bench_clock):
            pile.plug_in(soc_pct=20)
            begun_s = time.monotonic()
            took_s = pile.expect(energy_kwh=lambda kwh: kwh > 0.5, within_s=1800)
            assert took_s > 120
            assert took_s == pytest.approx(60 * (time.monotonic() - begun_s), rel=0.3)
        """,
    )

    result.assert_outcomes(passed=1)


def test_scenario_is_a_test(pytester: pytest.Pytester) -> None:
    """A scenario that holds passes with its hash in the report; one that does not says why."""
    pytester.makefile(
        ".toml",
        hopeless="""
        [scenario]
        title = "It charges without a car"
        disturbance = "there is no car"
        [[pile]]
        pile_id = "A-01"
        face = "modbus"
        model = "abb-terra-ac"
        [[step]]
        expect = "power_kw > 1"
        within_s = 5
        """,
    )

    result = run_bench(
        pytester,
        """
        def test_shipped(scenario):
            assert scenario("happy-ac", seed=7)["checks"]

        def test_own(scenario):
            scenario("hopeless.toml")
        """,
        "--junitxml=out.xml",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*NotMet: scenario *, seed 0:*", "*'power_kw > 1' on A-01*"])
    told = dict(properties(junit_cases(pytester.path / "out.xml")["test_shipped"]))
    assert (told["scenario"], told["scenario_seed"]) == ("happy-ac", "7")
    assert told["scenario_hash"]


def test_bench_runs_in_several_workers(pytester: pytest.Pytester) -> None:
    """Under xdist each worker has piles of its own, and traces and properties come through."""
    pytest.importorskip("xdist", reason="hint: pip install pytest-xdist")
    marked = "\n    import pytest\n    @pytest.mark.requirement('REQ-1')" + MISSED
    marked += """
    @pytest.mark.parametrize("number", range(4))
    def test_pid(pile, record_property, number):
        record_property("pid", pile.room.pid)
    """

    result = run_bench(pytester, WELD + marked, "-n", "2", "--junitxml=out.xml")

    result.assert_outcomes(passed=5, failed=1)
    cases = junit_cases(pytester.path / "out.xml")
    pids = {dict(properties(case)).get("pid") for case in cases.values()} - {None}
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid or 0), 0)
    assert ("requirement", "REQ-1") in properties(cases["test_missed"])
    assert (cases["test_missed"].findtext("system-out") or "").count("plug in P-01*1") == 1
    assert cases["test_weld"].find("system-out") is None


def test_no_process_outlives_the_run(pytester: pytest.Pytester) -> None:
    """Simulators, agent and coordinator are gone when pytest is."""
    result = run_bench(
        pytester,
        """
        def test_pids(pile, agent_under_test, coordinator_under_test):
            rooms = (pile.room, agent_under_test.room, coordinator_under_test.room)
            print("pids", *(room.pid for room in rooms))
        """,
        "-s",
    )

    result.assert_outcomes(passed=1)
    line = next(line for line in result.outlines if "pids" in line)
    pids = [int(word) for word in line.split() if word.isdigit()]
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ocpp_pile_dials_the_agent_under_test(pytester: pytest.Pytester) -> None:
    """A charge point that knows the agent's address is seen free, then broken, with the fault."""
    result = run_bench(
        pytester,
        """
        def test_dials(pile_factory, agent_under_test):
            agent_under_test.serve(ocpp=("B-01",))
            url = agent_under_test.ocpp_url("B-01")
            pile = pile_factory(face="ocpp16", pile_id="B-01", url=url)
            agent_under_test.expect(pile, status="AVAILABLE", within_s=30)
            pile.inject("MREC2GroundFailure")
            agent_under_test.expect(pile, status="OUTOFORDER", fault="GroundFailure", within_s=10)
            assert pile.registers() == []

        def test_agent_starts_again_where_it_was(pile, agent_under_test):
            agent_under_test.expect(pile, status="AVAILABLE", within_s=30)
            agent_under_test.kill()
            pile.inject("GroundFailure")
            agent_under_test.serve(pile)
            agent_under_test.expect(pile, status="OUTOFORDER", within_s=30)
        """,
    )

    result.assert_outcomes(passed=2)


def test_run_without_a_bench_loads_nothing(pytester: pytest.Pytester) -> None:
    """Installed but unused, the plugin imports no gRPC, no contract and none of its own parts."""
    result = run_bench(
        pytester,
        """
        import sys

        def test_plain():
            ours = {name for name in sys.modules if name.startswith("pytest_pilewise")}
            assert ours <= {"pytest_pilewise", "pytest_pilewise.plugin", "pytest_pilewise.hooks"}
            assert not {"grpc", "google.protobuf", "pilewise", "edge_agent"} & set(sys.modules)
        """,
    )

    result.assert_outcomes(passed=1)
