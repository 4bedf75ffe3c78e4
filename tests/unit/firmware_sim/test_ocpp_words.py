"""Names of faults, lists of drivers and settings: what they take and what they refuse."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from firmware_sim.config import load_config
from firmware_sim.core.driver_list import MAX_CACHED, DriverList, Word
from firmware_sim.core.ocpp_faults import KNOWN, OcppFault, parse_ocpp_fault
from firmware_sim.core.pile import PileSpec, advance_pile, build_pile, clear_ocpp, inject_ocpp
from firmware_sim.core.spec import Supply
from firmware_sim.errors import ConfigError
from firmware_sim.faces.ocpp_settings import Setting, Settings

VALUES = {"slow": "2", "late_answer": "1.5", "error": "SecurityError", "clock": "-60",
          "clock_drift": "50", "transaction_id": "-1", "subprotocol": "ocpp1.5"}  # fmt: skip


@pytest.mark.parametrize("kind", KNOWN)
def test_name_of_every_fault_reads_back_as_itself(kind: str) -> None:
    """What a fault is called can be injected again."""
    text = f"ocpp:{kind}:{VALUES[kind]}" if kind in VALUES else f"ocpp:{kind}"

    assert parse_ocpp_fault(parse_ocpp_fault(text).name).name == text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "unknown"),
        ("ocpp:nothing", "known are not_json"),
        ("ocpp:not_json:3", "takes no value"),
        ("ocpp:error:Nope", "unknown CALLERROR"),
        ("ocpp:clock:soon", "wants -4e"),
        ("ocpp:no_boot*3", "cannot be narrowed"),
        ("ocpp:no_boot@Heartbeat", "cannot be narrowed"),
    ],
)
def test_name_that_is_none_says_why(text: str, word: str) -> None:
    """Unknown kinds, values that do not belong, habits that are counted."""
    with pytest.raises(ValueError, match=word):
        parse_ocpp_fault(text)


def test_fault_ends_by_time_and_a_built_in_one_stays() -> None:
    """A duration runs in the pile's time; clearing all leaves what the pile was built with."""
    spec = PileSpec("B", "generic", 11.0, Supply.AC_3, ocpp_faults=(OcppFault("no_boot"),))
    pile = inject_ocpp(build_pile(spec), parse_ocpp_fault("drop", 10.0))

    later = advance_pile(pile, 11.0)
    cleared = clear_ocpp(pile, None)

    assert [f.kind for f in pile.ocpp_faults] == ["no_boot", "drop"]
    assert later.ocpp_faults == cleared.ocpp_faults == (OcppFault("no_boot"),)


def test_list_comes_before_the_cache_and_words_run_out() -> None:
    """A listed word wins, an old one is Expired, what is switched off is not asked."""
    drivers = DriverList()
    drivers.send_full(1, {"A": Word("Blocked"), "B": Word("Accepted", 1000)})
    drivers.remember("A", Word("Accepted"))
    drivers.remember("C", Word("Accepted"))

    def status(token: str, now_ms: int = 0, *, use_list: bool = True) -> str | None:
        return drivers.status(token, now_ms, use_list=use_list, use_cache=True)

    assert [status(token) for token in "ABCD"] == ["Blocked", "Accepted", "Accepted", None]
    assert status("B", 1000) == "Expired"
    assert status("B", use_list=False) is None


def test_list_refuses_what_is_too_long_or_too_old() -> None:
    """More entries than it holds, no version, an older one; a refusal changes nothing."""
    drivers = DriverList(max_entries=2)
    many = {str(n): Word("Accepted") for n in range(3)}

    assert drivers.send_full(1, many) == "Failed"
    assert drivers.send_full(0, {}) == "Failed"
    assert drivers.send_full(2, {"A": Word("Accepted")}) == "Accepted"
    assert drivers.send_changes(2, {"B": Word("Accepted")}) == "VersionMismatch"
    assert drivers.send_changes(3, {t: Word("Accepted") for t in "BC"}) == "Failed"
    assert drivers.send_changes(3, {"A": None, "B": Word("Accepted")}) == "Accepted"
    assert (drivers.version, set(drivers.listed)) == (3, {"B"})


def test_cache_forgets_who_came_longest_ago() -> None:
    """It holds so many and no more."""
    drivers, rng = DriverList(), random.Random(1)
    tokens = [f"T{n}" for n in range(MAX_CACHED + 5)]
    rng.shuffle(tokens)
    for token in tokens:
        drivers.remember(token, Word("Accepted"))

    known = [drivers.status(t, 0, use_list=True, use_cache=True) for t in tokens]

    assert known == [None] * 5 + ["Accepted"] * MAX_CACHED


def test_setting_takes_only_what_is_of_its_kind() -> None:
    """Numbers, switches, fixed ones, unknown ones, and one that waits for a reboot."""
    settings = Settings(
        {
            "Seconds": Setting("1", "seconds"),
            "Switch": Setting("true", "bool"),
            "Late": Setting("", reboot=True),
            "Mine": Setting("", secret=True, takes=lambda value: len(value) > 2),
        },
        {"Extra": "7", "Seconds": "0.5"},
        ["Switch"],
    )

    answers = [
        settings.write(name, value)
        for name, value in (
            ("Seconds", "30"), ("Seconds", "-1"), ("Seconds", "1e3"), ("Switch", "false"),
            ("Late", "x"), ("Mine", "ab"), ("Mine", "abc"), ("Extra", "8"), ("Nothing", "1"),
        )
    ]  # fmt: skip

    assert answers == ["Accepted", "Rejected", "Rejected", "Rejected", "RebootRequired",
                       "Rejected", "Accepted", "Accepted", "NotSupported"]  # fmt: skip
    assert (settings.seconds("Seconds"), settings.is_on("Switch")) == (30.0, True)


def test_modbus_pile_has_no_habits_of_charge_points(tmp_path: Path) -> None:
    """Quirks and OCPP settings of a Modbus pile are mistakes, not passed over."""
    (tmp_path / "sim.toml").write_text(
        '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "keba-p30"\n'
        'quirks = ["no_boot"]\n[pile.ocpp]\nsigned_meter = true\n'
    )

    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "sim.toml")

    assert str(refused.value).count("for charge points only") == 2


def test_configuration_says_which_words_it_does_not_know(tmp_path: Path) -> None:
    """Wrong quirks and wrong keys of the pile's table are told at once, with their lines."""
    (tmp_path / "sim.toml").write_text(
        '[[pile]]\npile_id = "B-01"\nface = "ocpp16"\nurl = "ws://127.0.0.1:1/B-01"\n'
        'quirks = ["clock", "dances"]\n[pile.ocpp]\nsecurity_profile = 9\nunknown = 1\n'
    )

    with pytest.raises(ConfigError) as refused:
        load_config(tmp_path / "sim.toml")

    text = str(refused.value)
    for word in ("clock wants a value", "'dances'", "security_profile", "unknown", "sim.toml:5"):
        assert word in text
