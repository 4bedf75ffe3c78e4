"""The configuration file: all faults at once, with line and hint."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from coordinator.__main__ import main
from coordinator.addresses import split_address
from coordinator.config import read_config
from coordinator.core.vehicle import SelectBy
from coordinator.errors import ConfigInvalid

GOOD = """\
[coordinator]
district = "demo"
data_dir = "data"
stale_after_s = 30
[clock]
epoch_at_ms = 1790000000000
anchor_s = 12.5
speed = 10
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "coordinator.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_read_with_defaults(tmp_path: Path) -> None:
    """What is not said has its documented default."""
    config = read_config(write(tmp_path, GOOD))

    assert config.coordinator.listen == "127.0.0.1:0"
    assert config.coordinator.stale_after_s == 30
    assert config.clock.speed == 10
    assert config.models.bundle == ""


def test_holidays_are_days_of_the_file(tmp_path: Path) -> None:
    """Holidays are dates; something else is refused with its line."""
    good = GOOD.replace("[clock]", "holidays = [2026-12-25, 2027-01-01]\n[clock]")
    bad = GOOD.replace("[clock]", 'holidays = ["Christmas"]\n[clock]')

    assert read_config(write(tmp_path, good)).coordinator.holidays == (
        date(2026, 12, 25),
        date(2027, 1, 1),
    )
    with pytest.raises(ConfigInvalid) as caught:
        read_config(write(tmp_path, bad))
    assert [(p.code, p.where.rpartition(":")[2]) for p in caught.value.problems] == [
        ("CFG-005", "5")
    ]


def test_all_faults_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """Unknown key, wrong type, missing key and bad value: four problems, four places."""
    text = (
        '[coordinator]\ndata_dir = "d"\nlisen = "x"\nstale_after_s = "long"\n[clock]\nspeed = 0\n'
    )
    path = write(tmp_path, text)

    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)

    told = {(p.code, p.where.removeprefix(f"{path}:")) for p in caught.value.problems}
    assert told == {("CFG-004", "1"), ("CFG-003", "3"), ("CFG-005", "4"), ("CFG-005", "6")}
    assert "did you mean 'listen'?" in str(caught.value)


def test_faults_of_form_and_of_meaning_are_told_together(tmp_path: Path) -> None:
    """A misspelt key or a wrong type hides no bad address, empty path or endless number."""
    text = (
        '[coordinator]\ndistrict = 7\ndata_dir = ""\nlisten = "127.0.0.1:99999"\n'
        'metrics = "0.0.0.0:9100"\ngrase_s = 1\n[clock]\nspeed = inf\nanchor_s = nan\n[modles]\n'
    )
    path = write(tmp_path, text)

    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)

    told = {(p.code, p.where.removeprefix(f"{path}:")) for p in caught.value.problems}
    assert told == {
        ("CFG-005", "2"),
        ("CFG-005", "3"),
        ("CFG-012", "4"),
        ("CFG-010", "5"),
        ("CFG-003", "6"),
        ("CFG-005", "8"),
        ("CFG-005", "9"),
        ("CFG-003", "10"),
    }


@pytest.mark.parametrize("text", ["coordinator = 3\n", "[[coordinator]]\n", "clock = nan\n"])
def test_a_table_that_is_none_is_a_problem(tmp_path: Path, text: str) -> None:
    """A value where a table belongs is told, not a traceback."""
    with pytest.raises(ConfigInvalid, match="must be a table"):
        read_config(write(tmp_path, text))


@pytest.mark.parametrize("below", ["file", "file/data", "bad\\u0000name"])
def test_a_data_directory_that_cannot_be_is_a_fault_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    """The process exits with 3 and names the line, the reason and what to do."""
    (tmp_path / "file").write_text("in the way")
    text = GOOD.replace('"data"', f'"{tmp_path}/{below}"')
    path = write(tmp_path, text)

    assert main(["-c", str(path)]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert f"error[CFG-018]: {path}:3: " in said.err
    assert "hint: name a directory that this user can write" in said.err


def test_a_data_directory_of_the_kernel_is_a_fault_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody can write, not even root, the same is said."""
    path = write(tmp_path, GOOD.replace('"data"', '"/proc/pilewise"'))

    assert main(["-c", str(path)]) == 3
    assert f"error[CFG-018]: {path}:3: /proc/pilewise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "code"),
    [("0.0.0.0:50051", "CFG-010"), ("localhost", "CFG-012"), ("127.0.0.1:99999", "CFG-012")],
)
def test_addresses_must_be_loopback_with_a_port(tmp_path: Path, address: str, code: str) -> None:
    """An address that others can reach is refused, because there is no TLS."""
    text = GOOD.replace("[clock]", f'listen = "{address}"\n[clock]')

    with pytest.raises(ConfigInvalid) as caught:
        read_config(write(tmp_path, text))

    assert (code, "5") in [(p.code, p.where.rpartition(":")[2]) for p in caught.value.problems]


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    """A file that is no TOML is refused with the parser's line."""
    with pytest.raises(ConfigInvalid, match=r"CFG-002.*:2"):
        read_config(write(tmp_path, "[coordinator]\nx = = 1\n"))


def test_main_exits_with_three_for_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the problems to stderr and exits with 3."""
    code = main(["-c", str(write(tmp_path, "[coordinator]\n")), "--check"])

    assert code == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "error[CFG-004]" in said.err


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    """A path that does not exist is one problem, not a traceback."""
    assert main(["-c", str(tmp_path / "none.toml")]) == 3


def test_addresses_split() -> None:
    """IPv6 addresses lose their brackets."""
    assert split_address("[::1]:50051") == ("::1", 50051)


def test_figures_of_the_knowledge_map_are_read(tmp_path: Path) -> None:
    """Measure, prior, weights and conditions are named in the file and reach the map."""
    text = GOOD + (
        '[knowledge]\nthreshold = 0.7\nmeasure = "hamming"\nattributes = ["maker", "age"]\n'
        'prior = "same_type"\nedge_weights = [0.6, 0.4]\nkappa_days = 5\ntheta = 0.2\n'
        'conditions = ["real_time"]\nperiod_s = 60\nalgorithm = "eq2"\n'
    )

    section = read_config(write(tmp_path, text)).knowledge

    settings = section.map_settings()
    assert (settings.threshold, settings.measure.value) == (0.7, "hamming")
    assert (settings.attributes, settings.prior.value) == (("maker", "age"), "same_type")
    assert (settings.edge_weights, settings.kappa_days, settings.theta) == ((0.6, 0.4), 5.0, 0.2)
    assert settings.algorithm.value == "eq2"
    assert (section.conditions, section.period_s) == (("real_time",), 60.0)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("threshold = 1.0", "threshold: 1 is not within [0, 1)"),
        ("order = 3", "order: 3 is neither 1 nor 2"),
        ("kappa_days = 0", "kappa_days: 0 is not within (0, 1000]"),
        ("share = 1.0", "share: 1 is not within [0, 0.99]"),
        ("edge_weights = [0.9, 0.9]", "their sum 1.8 is not within (0, 1]"),
        ('attributes = ["colour"]', "known are type, maker, model"),
        ("attributes = []", "known are type, maker, model"),
        ("conditions = []", "conditions is empty"),
        ('measure = "manhattan"', "knowledge.measure"),
    ],
)
def test_figures_that_the_knowledge_map_cannot_use(tmp_path: Path, line: str, words: str) -> None:
    """Each is told with its line and what is possible."""
    path = write(tmp_path, f"{GOOD}[knowledge]\n{line}\n")

    with pytest.raises(ConfigInvalid) as caught:
        read_config(path)

    (problem,) = caught.value.problems
    assert words in str(caught.value)
    assert problem.where == f"{path}:10"


def test_ways_of_recommending_are_settings(tmp_path: Path) -> None:
    """What is not said goes by the one cost; a way that does not exist is named with its line."""
    usual = read_config(write(tmp_path, GOOD)).recommend.rules()
    text = f'{GOOD}[recommend]\nselect_by = "merged"\nweights_by = "sum"\nwaiting = "printed"\n'
    text += "taken_retry_s = 1800\n"
    rules = read_config(write(tmp_path, text)).recommend.rules()
    wrong = write(tmp_path, f'{GOOD}[recommend]\nselect_by = "luck"\n')
    with pytest.raises(ConfigInvalid) as caught:
        read_config(wrong)

    assert (usual.select_by, usual.weights_by, usual.waiting) == (
        SelectBy.COST, "evidence", "everyone",
    )  # fmt: skip
    assert (rules.select_by, rules.weights_by, rules.waiting, rules.taken_retry_s) == (
        SelectBy.MERGED, "sum", "printed", 1800.0,
    )  # fmt: skip
    assert [problem.code for problem in caught.value.problems] == ["CFG-005"]
    assert "select_by" in str(caught.value)
