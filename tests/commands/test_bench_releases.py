"""Benches of which some runs were made with another release of torch."""

import pytest

from fpt_bench.results.result_files import read_run, write_result
from tests.commands.untrained import HEADLINE, PROFILE, Bench, made_with


def test_a_grid_half_done_under_another_release_is_refused_before_anything_is_trained(bench: Bench) -> None:
    bench.bench("headline")
    runs, here = bench.folder / "runs", bench.release
    first, second, *others = bench.done
    for spec in others:
        (runs / spec.run_id / "result.json").unlink()
    for spec in (first, second):
        write_result(made_with(read_run(runs / spec.run_id), "1.0.0"), runs / spec.run_id)
    bench.done.clear()
    refused = bench.bench("headline")
    assert (refused.exit_code, refused.stdout, bench.done) == (2, "", [])
    assert (
        "headline-short: expected runs of a task of one release of torch, got of bit-xor 2 of 1.0.0" in refused.stderr
    )
    assert f", and those to come would be of {here}, which is installed" in refused.stderr
    assert "--mix-releases" in refused.stderr
    allowed = bench.bench("headline", more=("--mix-releases",))
    assert (allowed.exit_code, len(bench.done)) == (0, len(others))
    assert f"Runs were made with torch 1.0.0 on a CPU; torch {here} on a CPU" in allowed.stdout


def test_no_command_renders_a_mixed_table_unless_told_to(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.report.page.contents.draw_bench", lambda *_: [])
    monkeypatch.setattr("fpt_bench.report.page.compare._picture", lambda *_: [])
    bench.bench("headline")
    runs, kept, page = bench.folder / "runs", bench.folder / "kept.csv", bench.folder / "report.html"
    bench("check", str(runs), "--baseline", str(kept), "--renew")
    other = runs / bench.done[0].run_id
    write_result(made_with(read_run(other), "1.0.0"), other)
    table = runs / "tables" / "headline-short" / "table.md"
    before = table.read_text()
    commands = (
        ("table", str(runs)),
        ("report", str(runs), "-o", str(page)),
        ("report", str(runs), str(runs), "-o", str(page)),
        ("check", str(runs), "--baseline", str(kept)),
        ("judge", str(runs)),
    )
    for command in commands:
        refused = bench(*command)
        assert (refused.exit_code, refused.stdout) == (2, ""), command
        assert f"got of bit-xor 1 of 1.0.0 and 3 of {bench.release}; a release can move a run" in refused.stderr
    assert bench.bench("headline").exit_code == 2, "though nothing is left to do"
    assert table.read_text() == before
    assert not page.exists()
    for command in commands:
        allowed = bench(*command, "--mix-releases")
        assert allowed.exit_code == 0, allowed.output
    assert "Runs were made with torch 1.0.0 on a CPU" in table.read_text()


def test_runs_that_end_under_two_releases_are_kept_and_their_table_is_not_printed(bench: Bench) -> None:
    bench.elsewhere = "1.0.0"  # as where another machine did some of the runs meanwhile
    ended = bench.bench("headline")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert f"got of bit-xor 2 of 1.0.0 and 2 of {bench.release}; a release can move a run" in ended.stderr
    assert all(read_run(bench.folder / "runs" / spec.run_id).status == "ok" for spec in bench.done)
    page = (bench.folder / "runs" / "tables" / "headline-short" / "table.md").read_text()
    assert "torch 1.0.0" not in page, "the last one of a single release"
    bench.done.clear()
    allowed = bench.bench("headline", more=("--mix-releases",))
    assert (allowed.exit_code, bench.done) == (0, [])
    assert "Runs were made with torch 1.0.0 on a CPU" in allowed.stdout


def test_one_task_may_be_of_another_release_than_the_one_that_is_to_do(bench: Bench) -> None:
    (bench.folder / "headline.yaml").write_text(HEADLINE.replace("[bit-xor]", "[bit-xor, mnist]"))
    (bench.folder / "short.yaml").write_text(
        PROFILE.replace("{bit-xor: {max", "{mnist: {max_steps: 20, eval_every: 10}, bit-xor: {max")
    )
    assert bench.bench("headline", more=("--tasks", "bit-xor")).exit_code == 0
    runs = bench.folder / "runs"
    for spec in bench.done:
        write_result(made_with(read_run(runs / spec.run_id), "1.0.0"), runs / spec.run_id)
    bench.done.clear()
    done = bench.bench("headline")
    assert done.exit_code == 0, done.stderr
    assert {spec.task for spec in bench.done} == {"mnist"}
    assert "Runs of bit-xor were made with torch 1.0.0 on a CPU" in done.stdout
    table = runs / "tables" / "headline-short" / "table.md"
    table.unlink()
    assert bench("table", str(runs / "tables" / "headline-short")).exit_code == 0
    assert f"Runs of mnist were made with torch {bench.release} on a CPU" in table.read_text()
