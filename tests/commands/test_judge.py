"""`judge` on anybody's scores: what it prints, and what it refuses with one sentence and exit code 2."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fpt_bench.analysis.e_values import bounded_log_evidence
from fpt_bench.cli import app

HIGH, LOW = [0.90, 0.92, 0.91, 0.93, 0.90, 0.91], [0.70, 0.74, 0.71, 0.69, 0.72, 0.71]
NEAR = [0.913, 0.902, 0.924, 0.908, 0.911, 0.904]
HEADER = "task,arm,seed,score"


def rows(task: str, arm: str, scores: list[float]) -> list[str]:
    return [f"{task},{arm},{seed},{score}" for seed, score in enumerate(scores)]


SOUND = [
    *rows("copy", "ours", HIGH),
    *rows("copy", "theirs", LOW),
    *rows("sort", "ours", HIGH),
    *rows("sort", "theirs", NEAR),
]


def judged(tmp_path: Path, lines: list[str], *options: str, header: str = HEADER) -> Result:
    path = tmp_path / "scores.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    usual = [] if "--margin" in options else ["--margin", "0.05"]
    arms = [] if "--better" in options else ["--better", "ours", "--than", "theirs"]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["judge", str(path), *arms, *usual, *options])


def test_a_table_of_verdicts_and_the_familys(tmp_path: Path) -> None:
    done = judged(tmp_path, SOUND)
    assert done.exit_code == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "task ours theirs difference at every look seeds e better e worse e same verdict"
    assert lines[1].startswith("copy 0.912 0.712 +0.200 +0.161 to +0.239 6 / 6")
    assert (lines[1].split()[-1], lines[2].split()[-1]) == ("better", "same")
    assert lines[3].startswith(
        "Family of 2: better 1, worse 0, same 1, open 0; margin 0.05; of each word at most 5 % are wrong"
    )
    assert lines[4].startswith("Better on some task: e ")
    assert len(lines) == 5


def test_tasks_columns_and_range_are_options(tmp_path: Path) -> None:
    percent = [f"{task},{arm},{seed},{100 * float(s)}" for task, arm, seed, s in (line.split(",") for line in SOUND)]
    options = ["--columns", "benchmark,method,run,accuracy", "--range", "0", "100", "--margin", "5", "--task", "copy"]
    done = judged(tmp_path, percent, *options, header="benchmark,method,run,accuracy")
    assert done.exit_code == 0, done.stderr
    assert "Family of 1: better 1" in done.stdout


def test_lower_may_be_better(tmp_path: Path) -> None:
    assert "better 0, worse 1, same 1, open 0" in judged(tmp_path, SOUND, "--lower").stdout


def test_an_interval_that_excludes_nothing_says_so(tmp_path: Path) -> None:
    assert " any " in judged(tmp_path, [line for line in SOUND if line.split(",")[2] in "012"]).stdout


def test_who_reached_a_score_is_counted(tmp_path: Path) -> None:
    done = judged(tmp_path, SOUND, "--reached", "0.85", "--margin", "0.3", "--task", "copy")
    assert "6 of 6  0 of 6" in done.stdout
    assert "better 1" in done.stdout


def test_everything_is_there_as_json(tmp_path: Path) -> None:
    found = json.loads(judged(tmp_path, SOUND, "--json").stdout)
    assert (found["better"], found["than"], found["rule"]["margin"]) == ("ours", "theirs", 0.05)
    copy, sort = found["verdicts"]
    assert (copy["word"], sort["word"], copy["counts"]) == ("better", "same", [6, 6])
    assert copy["better"] > 20
    assert found["mean"]["low"] < found["mean"]["estimate"] == pytest.approx(0.1, abs=0.01)


def test_seeds_that_are_not_normal_are_remarked_upon(tmp_path: Path) -> None:
    lines = [*rows("gap", "ours", [0.99, 0.99, 0.6]), *rows("gap", "theirs", [0.5, 0.5, 0.5])]
    done = judged(tmp_path, lines)
    assert "gap: seeds of an arm fall into two groups" in done.stdout
    assert "gap: an arm hardly varies" in done.stdout
    assert judged(tmp_path, lines, "--assume", "bounded").stdout.count("gap: ") == 0, "nothing is assumed"


def test_seeds_that_are_all_alike_settle_nothing(tmp_path: Path) -> None:
    lines = [*rows("flat", "ours", [0.9] * 5), *rows("flat", "theirs", [0.7] * 5)]
    done = judged(tmp_path, lines)
    assert "better 0, worse 0, same 0, open 1" in done.stdout
    assert "flat: no seed of either arm differs from another, so no word; was the seed used?" in done.stdout
    assert json.loads(judged(tmp_path, lines, "--json").stdout)["remarks"][0].startswith("flat: no seed")


def test_a_task_without_any_spread_helps_no_other_to_a_word(tmp_path: Path) -> None:
    """Evidence of 25 settles a task alone, not one of two: the other's, which nothing supports, must not count."""
    near = [*rows("t", "ours", [0.9] * 5), *rows("t", "theirs", [0.6, 0.6001, 0.6002, 0.6001, 0.6])]
    flat = [*rows("flat", "ours", [0.9] * 5), *rows("flat", "theirs", [0.7] * 5)]
    assert "better 1, worse 0, same 0, open 0" in judged(tmp_path, near).stdout
    both = judged(tmp_path, [*near, *flat]).stdout
    assert "better 0, worse 0, same 0, open 2" in both
    alone = re.search(r"Better on some task: e ([0-9.]+)", judged(tmp_path, near).stdout)
    assert alone is not None
    assert alone[0] in both


def test_scores_of_two_units_are_remarked_upon(tmp_path: Path) -> None:
    percent = [*rows("copy", "ours", HIGH), *rows("copy", "theirs", [100 * score for score in LOW])]
    options = ["--range", "0", "100", "--margin", "5"]
    said = "copy: all scores of ours are from 0 to 1, those of theirs are not: fractions beside percent?"
    assert said in judged(tmp_path, percent, *options).stdout
    assert "sort: all scores are from 0 to 1 in a range to 100" in judged(tmp_path, SOUND, *options).stdout
    assert "beside percent" not in judged(tmp_path, SOUND).stdout


def test_an_arm_that_is_spelt_in_two_ways_is_remarked_upon(tmp_path: Path) -> None:
    done = judged(tmp_path, [*SOUND, "copy,Ours,6,0.9", "copy,OURS ,7,0.9", "copy,other,0,0.9"])
    for spelt in ("Ours", "OURS"):
        assert f"arm '{spelt}' (1 score) is another than 'ours', and not judged" in done.stdout
    assert "'other'" not in done.stdout
    assert "is another than" not in judged(tmp_path, SOUND).stdout


@pytest.mark.parametrize(("score", "who"), [("0.95", "no seed"), ("0.5", "all seeds")])
def test_a_score_that_all_or_none_reach_is_remarked_upon(tmp_path: Path, score: str, who: str) -> None:
    done = judged(tmp_path, SOUND, "--reached", score, "--task", "copy")
    assert f"copy: {who} of both arms reached {score.rstrip('0')}" in done.stdout


def test_two_groups_of_seeds_have_no_mean_whatever_is_assumed(tmp_path: Path) -> None:
    lines = [*rows("gap", "ours", [0.99, 0.99, 0.6]), *rows("gap", "theirs", [0.5, 0.51, 0.52])]
    for options in ([], ["--assume", "bounded"]):
        assert "Mean difference" not in judged(tmp_path, lines, *options).stdout


def test_a_word_that_one_side_gives_is_said_so(tmp_path: Path) -> None:
    """One arm flat leaves the other's four degrees of freedom: evidence over 20, and under the 40 of two sides."""
    lines = [*rows("t", "ours", [0.9] * 5), *rows("t", "theirs", [0.6, 0.6001, 0.6002, 0.6001, 0.6])]
    (shown,) = (" ".join(line.split()) for line in judged(tmp_path, lines).stdout.splitlines() if line.startswith("t "))
    assert "+0.300 above 0 5 / 5" in shown
    assert shown.endswith("better")


def test_seeds_as_floats_are_whole_numbers(tmp_path: Path) -> None:
    lines = [",".join([task, arm, f"{seed}.0", s]) for task, arm, seed, s in (line.split(",") for line in SOUND)]
    assert judged(tmp_path, lines).stdout == judged(tmp_path, SOUND).stdout


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        ([*SOUND[:-1], "sort,theirs,5.5,0.9"], [], "line 25: expected a whole number as seed, got '5.5'"),
        (
            [*SOUND[:-1], "sort,theirs,5,0.9_1"],
            [],
            "line 25: expected a seed and a score as numbers, got '5' and '0.9_1'",
        ),
        ([*SOUND, "sort,theirs,18446744073709551615,9"], [], "expected scores from 0 to 1, got 9"),
        ([*SOUND[:-1], "sort,theirs,inf,0.9"], [], "line 25: expected a seed and a score as numbers"),
        ([*SOUND[:-1], "sort,theirs,5,nan"], [], "line 25: expected a score, got nan"),
        ([*SOUND[:-1], "sort,theirs,5,"], [], "line 25: expected a seed and a score as numbers, got '5' and ''"),
        ([*SOUND[:-1], "sort,theirs,5"], [], "line 25: expected as many fields as there are columns"),
        ([*SOUND[:-1], "sort,theirs,5,0.9,1"], [], "line 25: expected as many fields as there are columns"),
        ([*SOUND, "other,third,0,inf"], [], "line 26: expected a score, got inf"),
        ([*SOUND, SOUND[0]], [], "got another of task 'copy', arm 'ours', seed 0"),
        (SOUND[:13] + SOUND[18:], [], "task 'sort': expected at least two seeds of each arm, got 1"),
        (SOUND[:12] + SOUND[18:], [], "task 'sort': expected scores of arm 'ours', got none"),
        ([*SOUND, "sort,ours,9,91"], [], "task 'sort': expected scores from 0 to 1, got 91"),
        (SOUND, ["--margin", "0"], "expected a margin above 0 and below 1, got 0"),
        (SOUND, ["--margin", "-0.1"], "expected a margin above 0 and below 1, got -0.1"),
        (SOUND, ["--better", "our", "--than", "theirs"], "unknown arm 'our'. Did you mean 'ours'?"),
        (SOUND, ["--better", "ours", "--than", "ours"], "expected two arms to judge, got 'ours' twice"),
        (SOUND, ["--task", "cpy"], "unknown task 'cpy'. Did you mean 'copy'?"),
        (SOUND, ["--columns", "task,arm,seed,accuracy"], "unknown column 'accuracy'. "),
        (SOUND, ["--columns", "task,arm"], "expected the names of four columns"),
        (SOUND, ["--assume", "norml"], "unknown assumption 'norml'. Did you mean 'normal'?"),
        (SOUND, ["--assume", "bounded", "--reached", "0.9"], "expected `--assume bounded` or `--reached`, got both"),
        (SOUND, ["--level", "1.5"], "expected a level between 0 and 1, as 0.05, got 1.5"),
        ([], [], "unknown arm 'ours'"),
    ],
)
def test_wrong_input_is_one_sentence_and_nothing_is_judged(
    lines: list[str], options: list[str], message: str, tmp_path: Path
) -> None:
    done = judged(tmp_path, lines, *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "unknown column 'task'"),
        (b"task,arm,sed,score\n", "unknown column 'seed'. Did you mean 'sed'?"),
        (b"task,arm,seed,score,score\n", "expected one column 'score', got 2"),
        (b"\xff\xfe\x00", "scores.csv: expected text in UTF-8, got another encoding"),
        (b"task;arm;seed;score\n", "expected fields with commas between them, got ';'"),
        (b"task\tarm\tseed\tscore\n", r"expected fields with commas between them, got '\t'"),
        (b'task,arm,seed,score\n"a', "scores.csv: "),
    ],
)
def test_a_file_that_is_no_such_table(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(content)
    arguments = ["judge", str(path), "--better", "a", "--than", "b", "--margin", "0.1"]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    path.unlink()
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_options_of_runs_are_refused_beside_scores(tmp_path: Path) -> None:
    done = judged(tmp_path, SOUND, "--verify", "docket.json", "--claims", "claims")
    assert done.exit_code == 2
    assert "expected no --claims, --verify with a table of scores" in done.stderr


def test_what_is_paired_is_paired_by_seed(tmp_path: Path) -> None:
    """Seeds 1 to 9 in both arms, each pair 0.1 apart; seed 0 and seed 10 in one arm alone."""
    lines = [f"copy,ours,{seed},{0.2 + 0.05 * seed:.2f}" for seed in range(10)]
    lines += [f"copy,theirs,{seed},{0.1 + 0.05 * seed:.2f}" for seed in range(1, 11)]
    done = judged(tmp_path, lines, "--assume", "bounded", "--json")
    assert done.exit_code == 0, done.stderr
    (verdict,) = json.loads(done.stdout)["verdicts"]
    # By place all pairs but one would be of unlike seeds: ours i, theirs i + 1, 0.05 apart.
    by_seed = bounded_log_evidence([0.1] * 9 + [0.2 - 0.6], 0.0, 1.0)
    assert verdict["better"] == pytest.approx(float(np.exp(by_seed)))
