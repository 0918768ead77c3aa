"""The README's answer says what the judge said, of tasks that are over."""

from pathlib import Path

import pytest
from PIL import Image

from fpt_bench.analysis.benches import Bench
from fpt_bench.report.front_page import BEGIN, END, answer, blocks, draw, figure, kept_bench, main, rewrite, scores
from tests.made_up_bench import made_up_bench
from tests.paths import KEPT_RESULTS

HIGH, LOW = [0.60 + seed / 500 for seed in range(8)], [0.20 + seed / 500 for seed in range(8)]


def judged() -> Bench:
    """A bench on digits of 8 seeds: language better than random, full like it; language says what it keeps."""
    grid, results = made_up_bench(tasks=("mnist",), seeds=range(8))
    done = []
    for result in results:
        of_language = result.spec.init == "pretrained"
        assert result.body is not None
        body = result.body.model_copy(update={"bytes_kept": 5_000_000 if of_language else None})
        score = (HIGH if of_language else LOW)[result.spec.seed]
        done.append(result.model_copy(update={"test_score": score, "body": body}))
    return Bench.of(grid, done)


def test_the_answer_is_the_judges_word_arm_by_arm() -> None:
    assert answer(judged()) == (
        "**Judged over 8 seeds of 1 task:** `language` (5.0 MB of pretrained numbers) is *better than "
        "`random`* on mnist. `full` is *as good as `random`* on mnist. “language better than random on mnist, "
        "margin 0.05” is *supported*; 0 of the 1 claims about this bench are open."
    )


def test_tasks_are_counted_where_one_word_is_of_all_of_them() -> None:
    bench = Bench.of(*made_up_bench(tasks=("bit-xor", "mnist")))
    assert "*open beside `random`* on all 2." in answer(bench)


def test_the_table_has_every_arm_with_its_word_and_what_needs_no_body() -> None:
    header, _, row = scores(judged()).splitlines()
    assert header == "| task | `language` | `random` | `full` | best rule | best simple learner |"
    assert row.startswith("| mnist† | 60.7 ± 0.4, better | 20.7 ± 0.4 | 20.7 ± 0.4, same | 10.0 |")


def test_a_task_that_is_not_over_is_named_and_nothing_is_said_of_it() -> None:
    grid, results = made_up_bench(tasks=("bit-xor", "mnist"))
    bench = Bench.of(grid, [r for r in results if (r.spec.task, r.spec.seed) != ("mnist", 2)])
    of_arms, rest = answer(bench).split(" Not over yet: mnist.")
    assert "mnist" not in of_arms
    assert rest.endswith("1 of the 1 claims about this bench are open.")
    assert "mnist" not in scores(bench)
    assert "bit-xor" in figure(bench, "curves").alt
    assert "mnist" not in figure(bench, "curves").alt
    with pytest.raises(ValueError, match="expected a task of which all runs are over, found none"):
        answer(Bench.of(grid, [r for r in results if r.spec.seed != 2]))
    with pytest.raises(ValueError, match="expected runs of arms that curves compares, found none"):
        figure(Bench.of(grid, [r for r in results if r.spec.seed != 2]), "curves")


def test_a_command_that_would_write_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["front_page", "docs/results", "headline-embedded"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "expected --page or --picture, got neither" in capsys.readouterr().err


def test_a_bench_that_is_not_kept_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="Did you mean 'headline-embedded'"):
        kept_bench(KEPT_RESULTS, "headline-embeded")


def test_only_what_stands_between_the_marks_is_rewritten(tmp_path: Path) -> None:
    page, bench = tmp_path / "README.md", judged()
    old = {name: f"{BEGIN.format(name)}old{END}" for name in ("answered", "tabulated")}
    page.write_text(f"before\n\n{old['answered']}\nbetween\n{old['tabulated']}after\n")
    rewrite(page, bench)
    new = blocks(bench)
    assert page.read_text() == f"before\n\n{new['answered']}\nbetween\n{new['tabulated']}after\n"
    assert (answer(bench) in new["answered"], scores(bench) in new["tabulated"]) == (True, True)
    page.write_text(no_marks := f"no marks but {old['answered']}")
    with pytest.raises(ValueError, match="expected the lines"):
        rewrite(page, bench)
    assert page.read_text() == no_marks


def test_the_picture_says_in_words_what_it_shows(tmp_path: Path) -> None:
    draw(judged(), "forest", tmp_path / "forest.png")
    with Image.open(tmp_path / "forest.png") as picture:
        assert "language +40.0 ± 0.5 pp, better" in picture.info["Description"]
    grid, results = made_up_bench(tasks=("mnist",))
    with pytest.raises(ValueError, match="expected runs of arms that forest compares"):
        draw(Bench.of(grid, results[:1]), "forest", tmp_path / "none.png")
