"""Names are checked, with the nearest one in the error, before torch is loaded; and every name is of something."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fpt_bench.bodies.catalog import BodyEntry, find_body_entry
from fpt_bench.config.experiment import Experiment
from fpt_bench.config.inits import INITS
from fpt_bench.config.known import BODIES, TASKS, require_body, require_init, require_names, require_task
from fpt_bench.config.named import named_experiment
from fpt_bench.config.plugins import import_attribute
from fpt_bench.config.published import PublishedRow
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.tasks import find_task


def test_every_name_is_of_something() -> None:
    assert all(find_task(name).__doc__ for name in TASKS)
    assert all(isinstance(find_body_entry(name), BodyEntry) for name in BODIES)
    assert all(
        callable(import_attribute("init", kind.path)) and import_attribute("init", kind.path).__doc__
        for kind in INITS.values()
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "cifr"}, "unknown task 'cifr'. Did you mean 'cifar'?"),
        ({"body": "minilmm"}, "unknown body 'minilmm'. Did you mean 'minilm'?"),
        ({"init": "rondom"}, "unknown init 'rondom'. Did you mean 'random'?"),
        ({"init": "task:bit-memry"}, "unknown pretraining 'bit-memry'. Did you mean 'bit-memory'?"),
    ],
)
def test_a_wrong_name_has_the_nearest_in_its_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        require_names(RunSpec.model_validate({"task": "bit-xor", **fields}))
    assert message in str(caught.value)


def test_what_may_be_named_otherwise_passes(tmp_path: Path) -> None:
    require_task("my_task:Mine")
    for require, unmarked in ((require_task, "my_task"), (require_body, "my_body"), (require_init, "bit-memory")):
        with pytest.raises(ValueError, match=f"unknown .* '{unmarked}'"):
            require(unmarked)
    for body in ("my_body:MINE", "owner/model", str(tmp_path)):
        require_body(body)
    require_init("task:bit-memory")
    require_names(RunSpec(task="bit-xor", body="whatever the folder is called", body_path=str(tmp_path)))


@pytest.mark.parametrize("arguments", [["run", "--task", "bit-xor", "--init", "rondom"], ["run", "--task", "cifr"]])
def test_a_wrong_name_is_said_before_torch_is_loaded(arguments: list[str]) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from fpt_bench.cli import app\n"
        "done = CliRunner().invoke(app, sys.argv[1:])\n"
        "sys.exit(0 if done.exit_code == 2 and 'Did you mean' in done.stderr and 'torch' not in sys.modules else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode == 0


EXPERIMENT = """
question: A test.
tasks: [{task}]
baseline: random
arms:
  language: {{run: {{init: pretrained}}, published: {published}}}
  random: {{run: {{init: random}}}}
claims: [{{better: {arm}, worse: random, tasks: [{claimed}], refuted_by: "-", source: "-"}}]
"""
RIGHT = {
    "task": "bit-xor",
    "published": "lu2021.table2_initializations.language",
    "arm": "language",
    "claimed": "bit-xor",
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"task": "bit-xorr"}, "unknown task 'bit-xorr'. Did you mean 'bit-xor'?"),
        ({"arm": "langage"}, "unknown arm of the experiment 'langage'. Did you mean 'language'?"),
        ({"claimed": "bit-xr"}, "unknown task of the experiment 'bit-xr'. Did you mean 'bit-xor'?"),
        ({"published": "lu2021.table2_initialisations.language"}, "Did you mean 'table2_initializations'?"),
        ({"published": "lu2021.table2_initializations.langage"}, "Did you mean 'language'?"),
        ({"published": "lu2021"}, "expected a sentence of the form `{paper}.{table}.{row}`"),
    ],
)
def test_a_mistake_in_an_experiment_names_the_file_and_the_nearest(
    wrong: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(EXPERIMENT.format(**RIGHT))
    assert named_experiment(str(path)).claims[0].better == "language"
    path.write_text(EXPERIMENT.format(**{**RIGHT, **wrong}))
    with pytest.raises(ValueError, match=r"mine\.yaml: ") as caught:
        named_experiment(str(path))
    assert message in str(caught.value)


def test_an_experiment_of_a_kept_grid_stays_readable_and_is_written_as_it_was() -> None:
    """A grid that was kept may name tasks of a package that is gone, and claims on arms that a profile left out."""
    text = (
        '{"name":"e","question":"","tasks":["gone:Task"],"arms":{"a":{"role":null,"run":{},"learning_rates":null,'
        '"published":"lu2021.gone.row"}},"baseline":"a","learning_rates":"fixed","margin":0.05,'
        '"claims":[{"better":"a","worse":"left-out","tasks":["gone:Task"],"verdict":"better","measure":"score",'
        '"reached":null,"margin":0.05,"refuted_by":"-","source":"-","checked":""}]}'
    )
    experiment = Experiment.model_validate_json(text)
    assert experiment.claims[0].worse == "left-out"
    assert experiment.arms["a"].published == PublishedRow(paper="lu2021", table="gone", row="row")
    assert experiment.model_dump_json() == text
