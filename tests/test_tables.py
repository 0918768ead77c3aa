"""Tables: byte for byte on made-up results, and honest about what is missing."""

import json
from pathlib import Path

import pytest

from fpt_bench.render import render_markdown, write_tables
from fpt_bench.spec import CONFIGS, read_yaml
from fpt_bench.tables import build_frame
from tests.made_up import made_up_grid, made_up_result

GOLDEN = Path(__file__).parent / "golden" / "table.md"
PUBLISHED = CONFIGS / "reference" / "published.yaml"
FAST, SLOW = ((50, 0.97), (100, 1.0)), ((50, 0.6), (100, 0.96))


def made_up_results() -> list:  # type: ignore[type-arg]
    results = [made_up_result("bit-xor", seed, 0.98 + seed / 100, curve=FAST) for seed in range(3)]
    results += [made_up_result("bit-xor", seed, 0.90 + seed / 100, init="random", curve=SLOW) for seed in range(3)]
    results += [made_up_result("mnist", 0, 0.8), made_up_result("mnist", 1, None, status="diverged")]
    return results


def test_markdown_is_the_golden_one_byte_for_byte() -> None:
    grid = made_up_grid()
    frame = build_frame(grid, made_up_results(), read_yaml(PUBLISHED))
    assert render_markdown(frame, grid) == GOLDEN.read_text()


def test_numbers_by_hand() -> None:
    frame = build_frame(made_up_grid(), made_up_results()).set_index(["task", "arm"])
    cell = frame.loc[("bit-xor", "language")]
    assert cell["accuracy_mean"] == pytest.approx(0.99)
    assert cell["delta_mean"] == pytest.approx(0.08)
    assert cell["delta_method"] == "paired"
    assert cell["delta_high"] - cell["delta_low"] == pytest.approx(0, abs=1e-12)
    assert cell["steps_to_target"] == 50
    assert cell["speed_up"] == 2
    diverged = frame.loc[("mnist", "language")]
    assert (diverged["n"], diverged["diverged"]) == (2, 1)
    assert diverged["accuracy_mean"] == pytest.approx((0.8 + 0.1) / 2)


def test_published_figures_stand_beside_real_data_only() -> None:
    frame = build_frame(made_up_grid(), made_up_results(), read_yaml(PUBLISHED)).set_index(["task", "arm"])
    assert frame.loc[("bit-xor", "language"), "published"] == 1.0
    assert frame["published"].isna().loc[("mnist", "language")]


def test_embedded_data_carry_their_dagger_to_the_footnote() -> None:
    grid = made_up_grid()
    page = render_markdown(build_frame(grid, made_up_results()), grid)
    assert "| mnist†" in page
    assert "- † Data of mnist: made-up mnist" in page
    assert "bit-xor†" not in page


def test_arms_on_different_data_are_not_paired() -> None:
    results = made_up_results()
    moved = results[3].model_copy(update={"data": results[3].data.model_copy(update={"fingerprint": "e" * 64})})
    frame = build_frame(made_up_grid(), [*results[:3], moved, *results[4:]]).set_index(["task", "arm"])
    assert frame.loc[("bit-xor", "language"), "delta_method"] == "Welch"


def test_tables_of_nothing_say_so(tmp_path: Path) -> None:
    write_tables(made_up_grid(), [], tmp_path, PUBLISHED)
    assert "Incomplete: 12 of 12 runs have no score yet." in (tmp_path / "table.md").read_text()
    assert len(json.loads((tmp_path / "table.json").read_text())) == 4
    assert (tmp_path / "table.csv").read_text().count("\n") == 5


def test_a_run_that_diverged_has_not_converged() -> None:
    results = [made_up_result("bit-xor", 0, None, status="diverged", curve=FAST)]
    frame = build_frame(made_up_grid(("bit-xor",), (0,)), results).set_index(["task", "arm"])
    cell = frame.loc[("bit-xor", "language")]
    assert (cell["accuracy_mean"], cell["reached_target"]) == (0.5, 0)
    assert cell["steps_to_target"] == float("inf")


def test_published_figures_stand_beside_published_sizes_only() -> None:
    results = [r.model_copy(update={"spec": r.spec.model_copy(update={"data_arguments": {"string_bits": 4}})})
               for r in made_up_results()[:1]]  # fmt: skip
    grid = made_up_grid(("bit-xor",), (0,))
    moved = grid.model_copy(update={"runs": (grid.runs[0].model_copy(update={"spec": results[0].spec}), grid.runs[1])})
    frame = build_frame(moved, results, read_yaml(PUBLISHED)).set_index(["task", "arm"])
    assert frame["published"].isna().all()
    assert "string_bits=4" in frame.loc[("bit-xor", "language"), "data_source"]
