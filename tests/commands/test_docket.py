"""`judge RUNS...`: the docket of claims on file by folders of runs, from results written by hand."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.config.named import named_experiment
from tests.made_up_bench import HEADLINE_ARMS, LADDER_ARMS, on_file, write_bench


def command(*options: str) -> tuple[int, str, str]:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["judge", *options])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of runs, and one of claims."""
    write_bench(tmp_path / "runs", *on_file("headline", HEADLINE_ARMS))
    (tmp_path / "claims").mkdir()
    return tmp_path / "runs", tmp_path / "claims"


def say(claims: Path, **fields: object) -> None:
    usual = {"better": "language", "worse": "random-fanin", "tasks": ["mnist"], "refuted_by": "-", "source": "ours"}
    (claims / "mine.yaml").write_text(yaml.safe_dump({"experiments": ["headline"], **usual, **fields}))


def test_the_command_writes_and_verifies(kept: tuple[Path, Path], tmp_path: Path) -> None:
    runs, claims = kept
    say(claims, experiments=["ladder"])
    docket = tmp_path / "docket.json"
    assert command(str(runs), "--claims", str(claims), "-o", str(docket))[0] == 0
    assert command(str(runs), "--claims", str(claims), "--verify", str(docket))[0] == 0
    docket.write_text(docket.read_text().replace('"verdict": "open"', '"verdict": "supported"'))
    code, _, said = command(str(runs), "--claims", str(claims), "--verify", str(docket))
    assert code == 1
    assert "verdict: kept supported, derived open" in said


def test_seeds_that_are_kept_elsewhere_count(kept: tuple[Path, Path], tmp_path: Path) -> None:
    _, claims = kept
    say(claims, experiments=["ladder"], worse="random")
    grid, results = on_file("ladder", LADDER_ARMS)
    whole, here, elsewhere = (tmp_path / name for name in ("whole", "here", "elsewhere"))
    write_bench(whole, grid, results)
    write_bench(here, grid, results[:1])
    write_bench(elsewhere, grid, results[1:])
    seeds = [
        json.loads(command(*options, "--claims", str(claims), "--json")[1])[0]["seeds"]
        for options in ([str(whole)], [str(here)], [str(here), "--kept", str(elsewhere)])
    ]
    assert seeds == [8, 0, 8]


def test_claims_of_ones_own_leave_those_on_file_registered(kept: tuple[Path, Path], tmp_path: Path) -> None:
    runs, claims = kept
    say(claims, experiments=["ladder"])
    grid, results = on_file("headline", HEADLINE_ARMS)
    experiment = grid.experiment.model_copy(update={"claims": named_experiment("headline").claims})
    registered = grid.model_copy(update={"experiment": experiment})
    registered = registered.registering((), datetime(2026, 1, 1, tzinfo=UTC), experiment.claims)
    write_bench(tmp_path / "runs", registered, results)
    code, shown, said = command(str(runs), "--claims", str(claims))
    assert (code, said) == (0, ""), said
    assert "1 claims: 0 supported" in shown


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({}, ("--level", "0.5", "--task", "mnist"), "expected no --task, --level with runs"),
        ({}, ("--json", "-o", "docket.md"), "expected no --json with --output"),
        ({}, ("--verify", "mine.json", "-o", "docket.md"), "expected no --output with --verify"),
        ({"worse": "random-fann"}, (), "unknown arm of experiment headline, of claim mine 'random-fann'"),
        ({"tasks": ["mnst"]}, (), "unknown task of experiment headline, of claim mine 'mnst'"),
        ({"experiments": ["headlin"]}, (), "unknown experiment 'headlin'. Did you mean 'headline'?"),
        ({}, ("--better", "a"), "of runs, claims on file say them"),
        ({}, ("-o", "docket.txt"), "expected a file that ends in .md, .csv, .json"),
        ({}, ("--verify", "mine.json"), "mine.json"),
    ],
)
def test_bad_input_is_one_sentence(
    fields: dict[str, object], options: tuple[str, ...], message: str, kept: tuple[Path, Path]
) -> None:
    runs, claims = kept
    say(claims, **fields)
    code, _, said = command(str(runs), "--claims", str(claims), *options)
    assert code == 2
    assert message in said
    assert said.count("error:") == 1


def test_no_claims_and_no_bench_are_said(kept: tuple[Path, Path], tmp_path: Path) -> None:
    runs, claims = kept
    code, _, said = command(str(runs), "--claims", str(claims))
    assert code == 2
    assert "expected claims, a YAML file each" in said
    say(claims)
    (tmp_path / "empty").mkdir()
    assert command(str(tmp_path / "empty"), "--claims", str(claims))[0] == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"profile": "settld"}, "unknown profile of claim mine 'settld'. Did you mean 'settled'?"),
        ({"profile": "embedded", "experiments": ["lasting"]}, "expected profile settled, at which experiment lasting"),
    ],
)
def test_a_profile_that_cannot_judge_is_named(said: dict[str, object], message: str, kept: tuple[Path, Path]) -> None:
    runs, claims = kept
    say(claims, **said)
    code, _, told = command(str(runs), "--claims", str(claims))
    assert code == 2
    assert message in told


def test_benches_of_several_folders_are_judged_together(kept: tuple[Path, Path], tmp_path: Path) -> None:
    runs, claims = kept
    say(claims)
    (claims / "mine.yaml").rename(claims / "first.yaml")
    say(claims, experiments=["ladder"], worse="random")
    rungs = tmp_path / "rungs"
    write_bench(rungs, *on_file("ladder", LADDER_ARMS))
    code, shown, said = command(str(runs), str(rungs), "--claims", str(claims), "--json")
    assert code == 0, said
    assert {entry["name"]: entry["bench"] for entry in json.loads(shown)} == {
        "first": "headline-embedded",
        "mine": "ladder-embedded",
    }
    assert command(str(runs), str(runs), "--claims", str(claims))[0] == 0, "one folder, said twice"


def test_one_bench_in_two_folders_is_judged_by_neither(kept: tuple[Path, Path], tmp_path: Path) -> None:
    runs, claims = kept
    say(claims)
    again = tmp_path / "again"
    write_bench(again, *on_file("headline", HEADLINE_ARMS))
    code, _, said = command(str(runs), str(again), "--claims", str(claims))
    assert code == 2
    assert "expected each bench in one of" in said
    assert f"got headline-embedded in both {runs} and {again}: leave one of the two out" in said


def test_runs_beside_a_table_of_scores_are_refused(kept: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    table.write_text("task,arm,seed,score\n")
    code, _, said = command(str(kept[0]), str(table))
    assert code == 2
    assert "expected folders of runs, or one table of scores" in said
    code, _, said = command(str(kept[0]), str(tmp_path / "none"))
    assert code == 2
    assert "none: expected a folder of runs" in said
