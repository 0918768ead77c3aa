"""The folder that mkdocs builds the site from: today's pages where their links find each other, and the API."""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
API = """
## Reference

::: fpt_bench.commands.notebook
::: fpt_bench.config.spec.RunSpec
::: fpt_bench.results.result.RunResult
::: fpt_bench.analysis.benches.Bench
::: fpt_bench.analysis.cells.Cell
::: fpt_bench.training.module.FPTModule
::: datamodules.contract
::: datamodules.task_spec.TaskSpec
"""
"""Behind docs/python.md, read from docstrings without importing anything."""
PAGES = ("*.md", "CITATION.cff", "docs/**/*", "configs/**/*", "Makefile", "LICENSE", "requirements-lock*.txt")


def gather(site: Path) -> None:
    """Copy every page, and every file that one links to, into `site`, as they lie in the repository."""
    shutil.rmtree(site, ignore_errors=True)
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            if path.is_file():
                copy(path, site)
    for page in list(site.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        for target in dict.fromkeys(re.findall(r"\]\(([^)#:]+)", text)):
            linked = ((ROOT / page.relative_to(site)).parent / target).resolve()
            if linked.is_file():
                copy(linked, site)
            elif linked.is_dir():
                text = text.replace(f"]({target})", f"]({target.rstrip('/')}/{index_of(linked, site)})")
        page.write_text(text, encoding="utf-8")
    with (site / "docs" / "python.md").open("a", encoding="utf-8") as stream:
        stream.write(API)


def index_of(folder: Path, site: Path) -> str:
    """Copy what lies in a folder of the repository, and return the name of a page there that lists it."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        copy(path, site)
    index = site / folder.relative_to(ROOT) / "index.md"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(f"# {folder.name}\n\n" + "".join(f"- [{path.name}]({path.name})\n" for path in files))
    return index.name


def copy(path: Path, site: Path) -> None:
    """Copy one file of the repository to its place in `site`, if nothing is there."""
    into = site / path.relative_to(ROOT)
    if not into.exists():
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
