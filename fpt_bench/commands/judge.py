"""`judge`: the claims on file by the runs of benches; or which of two arms is better, on anybody's scores."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from fpt_bench.commands.console import out, say_json
from fpt_bench.commands.docket_view import judge_runs
from fpt_bench.commands.options import Kept, MixReleases, refuse_given
from fpt_bench.names import require_known

if TYPE_CHECKING:
    from fpt_bench.analysis.judge import Docket, Rule, Seeds, Verdict

ASSUMED = ("normal", "bounded")
SEEN = 1e-9
"""A narrower interval is that of rounded floats."""


OF_SCORES = ("better", "than", "margin", "task", "level", "higher", "assume", "reached", "score_range", "columns")
OF_RUNS = ("claims", "kept", "output", "verify", "mix_releases")
"""Parameters that say something of a table of scores alone, and of runs alone."""


def judge(
    context: typer.Context,
    scores: Annotated[
        list[Path] | None,
        typer.Argument(
            help="runs of benches, in one folder or several (default: runs); or a CSV file with the columns task, arm, "
            "seed, score",
            show_default=False,
        ),
    ] = None,
    better: Annotated[str | None, typer.Option(help="of scores: the arm that may be better")] = None,
    than: Annotated[str | None, typer.Option(help="of scores: the arm that it is compared with")] = None,
    margin: Annotated[
        float | None, typer.Option(help="of scores: the smallest difference that matters, in units of the score")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="of scores: a task; may be repeated; default: all")] = None,
    level: Annotated[float, typer.Option(help="share of families with a wrong word that is put up with")] = 0.05,
    higher: Annotated[bool, typer.Option("--higher/--lower", help="which scores are the better ones")] = True,
    assume: Annotated[str, typer.Option(help="of seeds: normal, or bounded (in the range, no more)")] = "normal",
    reached: Annotated[float | None, typer.Option(help="judge how many seeds reach this score, not how far")] = None,
    score_range: Annotated[tuple[float, float], typer.Option("--range", help="that scores can have")] = (0.0, 1.0),
    columns: Annotated[str, typer.Option(help="names of the four columns, in this order")] = "task,arm,seed,score",
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
    kept: Kept = None,
    claims: Annotated[Path | None, typer.Option(help="of runs: a folder of claims; default: configs/claims")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="of runs: write the docket to a .md, .csv or .json file")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="of runs: a docket (.json) whose verdicts are to be derived again")
    ] = None,
    mix_releases: MixReleases = False,
) -> None:
    """Judge the claims on file by runs, or two arms of anybody's scores.

    Of runs: each claim is supported, refuted, equivalent (both the same within the margin) or open, with the seeds and
    the command that would settle it. Of scores: on which tasks an arm is better than another, worse, or the same.
    Exit code 0: judged; 1: a verdict to verify is another one; 2: wrong input.
    """
    places = scores or [Path("runs")]
    if all(place.is_dir() or place.suffix == ".jsonl" for place in places):
        refuse_given(context, OF_SCORES, "with runs: they are of a table of scores; of runs, claims on file say them")
        if verify is not None:
            refuse_given(context, ("output", "as_json"), "with --verify, which writes nothing")
        if output is not None:
            refuse_given(context, ("as_json",), "with --output, whose ending says the form")
        judge_runs(places, kept, claims, output, verify, as_json, mix_releases)
        return
    file = _one_table(places)
    if better is None or than is None or margin is None:
        raise ValueError(
            f"expected a folder of runs, or --better, --than and --margin for a table of scores, got {file} alone"
        )
    refuse_given(context, OF_RUNS, "with a table of scores: they are of runs")
    names = tuple(name.strip() for name in columns.split(","))
    _judge_scores(
        file, names, (better, than), task or (), _rule(margin, level, assume, reached, score_range, higher), as_json
    )


def _judge_scores(
    file: Path, columns: Sequence[str], arms: tuple[str, str], tasks: Sequence[str], rule: "Rule", as_json: bool
) -> None:
    """Print what the scores in a table say of two arms."""
    from fpt_bench.analysis.judge import judge as give_verdicts
    from fpt_bench.analysis.score_table import odd_names, odd_scores, pick_pairs, read_scores

    table = read_scores(file, columns)
    better, than = arms
    pairs = pick_pairs(table, better, than, tasks)
    docket = give_verdicts(pairs, rule)
    odd = [*odd_names(table, arms, pairs), *odd_scores(pairs, arms, rule)]
    remarks = [*_remarks(docket), *odd]
    if as_json:
        say_json({"better": better, "than": than, "rule": asdict(rule), **asdict(docket), "remarks": remarks})
    else:
        out.print(_verdicts(docket, better, than))
        for line in (*remarks, _family(docket, rule)):
            out.print(line, markup=False, highlight=False, soft_wrap=True)


def _one_table(places: Sequence[Path]) -> Path:
    """Return the table of scores that is named; it is none that is not there, or one of several."""
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f"{place}: expected a folder of runs, or a table of scores, found nothing")
    if len(places) > 1:
        raise ValueError(f"expected folders of runs, or one table of scores, got {', '.join(map(str, places))}")
    return places[0]


def _rule(
    margin: float, level: float, assume: str, reached: float | None, score_range: tuple[float, float], higher: bool
) -> "Rule":
    from fpt_bench.analysis.judge import Rule

    require_known("assumption", assume, ASSUMED)
    if reached is not None and assume == "bounded":
        raise ValueError("expected `--assume bounded` or `--reached`, got both: who learned needs no assumption")
    seeds: Seeds = "learned" if reached is not None else "bounded" if assume == "bounded" else "normal"
    low, high = score_range
    return Rule(margin, level=level, seeds=seeds, low=low, high=high, reached=reached, higher=higher)


def _verdicts(docket: "Docket", better: str, than: str) -> Table:
    shown = Table(box=None, pad_edge=False)
    shown.add_column("task")
    for title in (better, than, "difference", "at every look", "seeds", "e better", "e worse", "e same"):
        shown.add_column(Text(title), justify="right")
    shown.add_column("verdict")
    for verdict in docket.verdicts:
        shown.add_row(Text(verdict.task), *map(Text, _figures(verdict)), verdict.word)
    return shown


def _figures(verdict: "Verdict") -> list[str]:
    from fpt_bench.analysis.judge import ONE_SIDED

    means = [f"{mean:.3f}" for mean in (verdict.first, verdict.second)]
    if verdict.learned is not None:
        means = [f"{k} of {n}" for k, n in zip(verdict.learned, verdict.counts, strict=True)]
    found = verdict.difference
    # Without a spread in either arm the interval has no width, which says nothing of what other seeds would do.
    interval = f"{found.low:+.3f} to {found.high:+.3f}" if found.high - found.low > SEEN else "no spread seen"
    if verdict.says_nothing:
        interval = ONE_SIDED[verdict.word]
    evidence = [f"{value:.3g}" for value in (verdict.better, verdict.worse, verdict.same)]
    return [*means, f"{found.estimate:+.3f}", interval, " / ".join(map(str, verdict.counts)), *evidence]


def _remarks(docket: "Docket") -> list[str]:
    """Say on which tasks it is visibly wrong that seeds are about normal."""
    apart = [verdict.task for verdict in docket.verdicts if verdict.apart]
    alike = [verdict.task for verdict in docket.verdicts if verdict.alike]
    flat = [verdict.task for verdict in docket.verdicts if verdict.flat and not verdict.alike]
    lines = []
    if apart:
        lines.append(
            f"{', '.join(apart)}: seeds of an arm fall into two groups; judge who learns, with `--reached SCORE`"
        )
    if alike:
        lines.append(f"{', '.join(alike)}: no seed of either arm differs from another, so no word; was the seed used?")
    if flat:
        lines.append(f"{', '.join(flat)}: an arm hardly varies; all rests on the other's seeds being about normal")
    return lines


def _family(docket: "Docket", rule: "Rule") -> str:
    words = ", ".join(f"{word} {docket.count(word)}" for word in ("better", "worse", "same", "open"))
    line = (
        f"Family of {len(docket.verdicts)}: {words}; margin {rule.margin:g}; of each word at most "
        f"{100 * rule.level:g} % are wrong, on average and however often one looks.\n"
        f"Better on some task: e {docket.better_anywhere:.3g}; worse on some task: e {docket.worse_anywhere:.3g}."
    )
    mean = docket.mean
    if mean is None or mean.high - mean.low <= SEEN:
        return line
    interval = f"{mean.low:+.3f} to {mean.high:+.3f}"
    return f"{line} Mean difference {mean.estimate:+.3f}, {interval} if the number of seeds was fixed beforehand."
