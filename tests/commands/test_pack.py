"""Packed results under the commands: one file in a folder's place, and kept results that are not done again."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fpt_bench.results.grids import find_grids, read_grid
from fpt_bench.results.lines import line_of
from fpt_bench.results.result_files import read_run
from tests.commands.untrained import Bench, made_with


@pytest.fixture
def kept(bench: Bench) -> Path:
    """A packed file of a bench of four runs, whose folder is gone."""
    done = bench.bench("headline")
    assert done.exit_code == 0, done.stderr
    kept = bench.folder / "kept"
    packed = bench("pack", str(bench.folder / "runs"), "-o", str(kept))
    assert (packed.exit_code, packed.stdout) == (0, f"{kept / 'headline.jsonl'}: 4 runs\n")
    shutil.copy(bench.folder / "runs" / "tables" / "headline-short" / "table.md", bench.folder / "before.md")
    shutil.rmtree(bench.folder / "runs")
    bench.done.clear()
    return kept


def test_commands_read_a_packed_file_as_its_folder(bench: Bench, kept: Path) -> None:
    before, baseline = (bench.folder / "before.md").read_text(), str(bench.folder / "baseline.json")
    for place in (kept / "headline.jsonl", kept):
        assert bench("table", str(place)).stdout == before + "\n"
        assert bench("list", "runs", "--runs", str(place)).stdout.count(" ok ") == 4
        assert bench("check", str(place), "--baseline", baseline, "--renew").exit_code == 0
        assert "0 of 4 runs compared seed by seed" in bench("check", str(place), "--baseline", baseline).stdout
        status = bench("status", str(place)).stdout.splitlines()
        assert status[1].split() == ["headline-short", "0", "0", "0", "0", "4", "0", "0"]
        plan = bench("plan", str(bench.folder / "headline.yaml"), "--profile", str(bench.folder / "short.yaml"),
                     "--runs", str(place))  # fmt: skip
        assert plan.stdout.splitlines()[1].split()[:4] == ["bit-xor", "4", "4", "0"]


def test_a_report_is_made_of_a_packed_file(bench: Bench, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    page = bench.folder / "report.html"
    assert bench("report", str(kept / "headline.jsonl"), "-o", str(page)).exit_code == 0
    assert "4 of 4 runs have a score." in page.read_text()
    runs = str(bench.folder / "runs")
    bench.bench("headline", more=("--kept", str(kept)))
    assert bench("report", runs, "-o", str(page), "--kept", str(kept)).exit_code == 0
    assert "4 of 4 runs have a score." in page.read_text()
    both = bench("report", runs, str(kept), "-o", str(page), "--kept", str(kept))
    assert (both.exit_code, "expected two folders to compare or --kept, got both" in both.stderr) == (2, True)


def test_what_is_kept_is_not_done_again(bench: Bench, kept: Path) -> None:
    again = bench.bench("headline", more=("--kept", str(kept)))
    runs = bench.folder / "runs"
    assert (again.exit_code, bench.done) == (0, []), again.stderr
    assert again.stderr.count(f"headline-short: 4 of 4 runs are kept in {kept} and not done again\n") == 1
    assert again.stdout == (bench.folder / "before.md").read_text() + "\n", "registered when the kept one was"
    assert [path.name for path in runs.iterdir()] == ["tables"], "nothing is copied"
    assert bench("table", str(runs), "--kept", str(kept)).stdout == again.stdout
    more = bench.bench("headline", more=("--kept", str(kept / "headline.jsonl"), "--seeds", "0-2"))
    assert [spec.seed for spec in bench.done] == [2, 2], more.stderr
    assert "4 of 6 runs are kept" in more.stderr
    assert more.stdout.count("| 3 ") >= 2, "tables are made of both"
    baseline = str(bench.folder / "baseline.json")
    assert bench("check", str(runs), "--baseline", baseline, "--renew", "--kept", str(kept)).exit_code == 0
    checked = bench("check", str(runs), "--baseline", baseline, "--kept", str(kept))
    assert "0 of 6 runs compared seed by seed" in checked.stdout


def test_kept_runs_of_other_data_or_another_release_are_refused(bench: Bench, kept: Path) -> None:
    file, runs = kept / "headline.jsonl", bench.folder / "runs"
    grid = read_grid(find_grids(file)[0])
    bench.bench("headline")
    results = [read_run(runs / run.spec.run_id) for run in grid.runs]
    shutil.rmtree(runs)
    bench.done.clear()
    assert results[0].data is not None
    other = results[0].model_copy(update={"data": results[0].data.model_copy(update={"fingerprint": "0" * 64})})
    file.write_bytes(line_of(other))
    refused = bench.bench("headline", more=("--kept", str(kept)))
    assert (refused.exit_code, bench.done) == (2, [])
    assert (
        f"run {other.spec.run_id} was done with other data: expected the data with fingerprint 0000" in refused.stderr
    )
    file.write_bytes(line_of(made_with(results[0], "1.0.0")))
    refused = bench.bench("headline", more=("--kept", str(kept)))
    assert (refused.exit_code, bench.done) == (2, [])
    assert "got of bit-xor 1 of 1.0.0, and those to come would be of" in refused.stderr


@pytest.mark.parametrize("command", ["table", "status", "list", "check", "plan", "pack", "bench"])
def test_two_lines_of_one_run_that_differ_are_wrong_input(bench: Bench, kept: Path, command: str) -> None:
    first, second = kept / "headline.jsonl", kept / "other.jsonl"
    first_line = first.read_bytes().splitlines()[0]
    second.write_bytes(first_line.replace(b'"seconds":0.0', b'"seconds":5.0'))
    assert second.read_bytes() != first_line
    options = {
        "list": ("runs", "--runs", str(kept)),
        "check": (str(kept), "--baseline", str(bench.folder / "none.json"), "--renew"),
        "plan": (
            str(bench.folder / "headline.yaml"),
            "--profile",
            str(bench.folder / "short.yaml"),
            "--runs",
            str(kept),
        ),
        "pack": (str(kept), "-o", str(bench.folder / "new.jsonl")),
    }
    if command == "bench":
        done = bench.bench("headline", more=("--kept", str(kept)))
    else:
        done = bench(command, *options.get(command, (str(kept),)))
    assert done.exit_code == 2
    assert f"error: {first}:1 and {second}:1: expected one result of the run " in done.stderr
    assert bench.done == []


@pytest.mark.parametrize("name", ["out.json", "out.JSONL", "out.csv"])
def test_a_file_of_another_kind_is_none_to_pack_into(bench: Bench, kept: Path, name: str) -> None:
    done = bench("pack", str(kept), "-o", str(bench.folder / name))
    assert done.exit_code == 2
    assert f"expected NAME.jsonl or a folder to pack into, got {bench.folder / name}" in " ".join(done.stderr.split())
    assert not (bench.folder / name).exists()


def test_a_garbled_line_is_a_warning_and_nothing_at_kept_is_wrong_input(bench: Bench, kept: Path) -> None:
    with (kept / "headline.jsonl").open("ab") as stream:
        stream.write(b'{"schema": 3\n')
    shown = bench("table", str(kept))
    assert (shown.exit_code, shown.stderr.count(f"{kept / 'headline.jsonl'}:5: expected a result in JSON")) == (0, 1)
    assert shown.stdout == (bench.folder / "before.md").read_text() + "\n"
    nowhere = bench.bench("headline", more=("--kept", str(bench.folder / "nowhere")))
    assert nowhere.exit_code == 2
    assert "nowhere: expected a folder of kept results or a packed file, found nothing" in nowhere.stderr


def test_the_command_in_the_sentence_moves_packed_runs_of_another_release(bench: Bench, kept: Path) -> None:
    file = kept / "headline.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    first, *others = [line.replace(bench.release.encode(), b"1.0.0") if not i else line for i, line in enumerate(lines)]
    file.write_bytes(b"".join([first, *others]))
    refused = bench("table", str(kept))
    command = re.search(r"mkdir -p .*", refused.stderr)
    assert refused.exit_code == 2
    assert command is not None
    subprocess.run(["bash", "-c", command[0]], check=True)
    assert file.read_bytes() == b"".join(others)
    assert (kept.parent / "kept-torch-1.0.0" / "torch-1.0.0.jsonl").read_bytes() == first
    assert bench("table", str(kept)).exit_code == 0
