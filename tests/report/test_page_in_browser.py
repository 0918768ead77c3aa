"""The report in a real browser: sort, follow a link, toggle an arm; nothing fetched, nothing wider than the window."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from fpt_bench.report.page.report_page import build_report
from tests.made_up_bench import made_up_bench, write_bench

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser is driven")
pytestmark = pytest.mark.slow

COST = "Convergence and cost"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as driver:
        path = found or driver.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip("no Chromium is installed: `playwright install chromium` gets one")
        # Chromium refuses its own sandbox to root, whom containers often run as.
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    names = {"full": "<img src=x onerror=alert(1)>"}
    runs = write_bench(folder / "runs", *made_up_bench(rates=(1e-3, 1e-2), seeds=(0, 1), names=names))
    build_report(runs, folder / "report.html", Console(quiet=True))
    return (folder / "report.html").as_uri()


class Visit:
    """A page that is open, with what it said and asked for."""

    def __init__(self, browser: Any, url: str, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> None:
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def table(self, caption: str) -> Any:
        return self.page.get_by_role("table", name=caption)

    def column(self, caption: str, number: int) -> list[str]:
        cells: list[str] = self.table(caption).locator(f"tbody td:nth-child({number})").all_inner_texts()
        return cells


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_window_and_fetches_nothing(
    browser: Any, report: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    visit = Visit(browser, report, width, scheme)
    visit.page.locator(".open-all").click()
    wide = visit.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll, svg, .skip")
        && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in visit.requests if not url.startswith("data:")] == [report]
    assert visit.said == []
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(ground[4:].partition(",")[0]) < 128) is (scheme == "dark")


def test_a_column_sorts_by_its_numbers_from_the_keyboard(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    header = visit.table(COST).get_by_role("columnheader", name="steps to target")
    place = 1 + header.evaluate("cell => cell.cellIndex")
    header.get_by_role("button").focus()
    visit.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    steps = [text.split()[0] for text in visit.column(COST, place)]
    reached = [int(text) for text in steps if not text.startswith(">")]
    assert reached == sorted(reached)
    assert all(text.startswith(">") for text in steps[len(reached) :]), "what was not reached comes last"
    visit.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert visit.column(COST, place)[0].startswith(">")
    assert visit.said == []


def test_a_link_opens_its_run(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    link = visit.table("Every run that is over").locator("tbody a").first
    target = visit.page.locator(link.get_attribute("href").replace(".", "\\."))
    assert target.get_attribute("open") is None
    link.click()
    command = target.locator(".command")
    command.wait_for(state="visible")
    assert command.inner_text().startswith("python -m fpt_bench run --task bit-memory")
    assert command.is_visible()
    assert visit.said == []


def test_an_arm_can_be_left_out_of_tables_and_figures(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    rows, arm = visit.page.locator("tbody tr:visible"), visit.page.get_by_role("checkbox", name="random")
    visit.page.locator(".toggles summary").click()
    displays = "[...document.querySelectorAll('svg .arm-1')].map((mark) => getComputedStyle(mark).display)"
    before, own = rows.count(), visit.page.locator("tbody tr.arm-1:visible").count()
    assert own
    assert "none" not in visit.page.evaluate(displays)
    arm.uncheck()
    assert rows.count() == before - own, "rows of claims and simple learners stay"
    assert set(visit.page.evaluate(displays)) == {"none"}
    arm.check()
    assert rows.count() == before
    assert "none" not in visit.page.evaluate(displays)


def test_a_name_with_markup_stays_text(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    visit.page.locator(".toggles summary").click()
    assert visit.page.get_by_role("checkbox", name="<img src=x onerror=alert(1)>").is_visible()
    assert visit.page.locator("img").count() == 0


def test_it_prints_in_ink_on_paper_even_from_a_dark_screen(browser: Any, report: str) -> None:
    visit = Visit(browser, report, scheme="dark")
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 26)"
    assert not visit.page.locator(".toggles").is_visible()


def test_readers_of_a_screen_get_headings_names_and_a_skip_link(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "no level is skipped"
    figures = visit.page.get_by_role("img").all()
    assert len(figures) >= 5
    assert all("mnist† language" in (figure.get_attribute("aria-label") or "") for figure in figures[:2])
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"


def test_a_task_can_be_left_out_of_tables_and_figures(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    visit.page.locator(".toggles summary").click()
    visit.page.get_by_role("checkbox", name="bit-xor").uncheck()
    assert visit.page.locator("tbody tr.task-1:visible").count() == 0
    shown = "[...document.querySelectorAll('svg .task-%d')].map((mark) => getComputedStyle(mark).display)"
    assert set(visit.page.evaluate(shown % 1)) == {"none"}
    assert "none" not in visit.page.evaluate(shown % 0)


def test_runs_are_searched_and_a_cell_leads_to_its_own(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    rows = visit.page.locator("tr[data-find]:visible")
    everything = rows.count()
    field = visit.page.get_by_role("searchbox")
    field.fill("mnist seed:1 arm:random")
    assert 0 < rows.count() < everything
    assert all({"mnist†", "random", "1"} <= set(row.locator("td").all_inner_texts()) for row in rows.all())
    field.fill("")
    assert rows.count() == everything
    cell = visit.table("Accuracy").locator("tr", has_text="bit-memory").filter(has_text="language").first
    cell.locator("a").first.click()
    visit.page.wait_for_function("document.querySelector('.search').value === 'task:bit-memory arm:language'")
    assert rows.count() == 4, "two seeds at two rates"
    assert visit.page.locator("details.run:visible").count() == 4
    assert visit.said == []


def test_a_mark_says_its_value_under_the_pointer(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    row = visit.page.locator(".first svg .task-2.arm-0").first
    assert row.locator("title").text_content().startswith("mnist† language: +"), "and this is what the pointer is over:"
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    over = visit.page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('g:has(> title)').querySelector('title').textContent",
        [box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2],
    )
    assert over == row.locator("title").text_content()


def test_tables_and_figures_are_downloaded(browser: Any, report: str) -> None:
    visit = Visit(browser, report)
    for name, begins in (("made-up-embedded.csv", b"task"), ("made-up-embedded-forest.pdf", b"%PDF")):
        link = visit.page.get_by_role("link", name=name).first
        assert link.get_attribute("download") is not None, "of a page from a folder the browser shows the file instead"
        file = Path(urlsplit(report).path).parent / link.get_attribute("href")
        assert file.read_bytes().startswith(begins)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benches of the same runs, whose index is index.html."""
    folder = tmp_path_factory.mktemp("index")
    grid, results = made_up_bench(tasks=("mnist",), seeds=(0, 1))
    runs = write_bench(folder / "runs", grid, results)
    first = grid.experiment.model_copy(update={"name": "headline"})
    write_bench(folder / "runs", grid.model_copy(update={"experiment": first}), results)
    build_report(runs, folder / "index.html", Console(quiet=True))
    return folder / "index.html"


def test_an_index_leads_to_a_bench_that_reads_its_details_from_beside_it(browser: Any, index: Path) -> None:
    visit = Visit(browser, index.as_uri())
    assert visit.page.locator("dl.benches dt").all_inner_texts() == ["headline-embedded", "made-up-embedded"]
    assert "6 of 6 runs have a score." in visit.page.locator("header").inner_text(), "each run counts once"
    assert visit.page.locator("main section h2").first.inner_text() == "Docket"
    visit.page.locator("dl.benches a").first.click()
    assert visit.page.locator("details.run").count() == 0
    script = (index.parent / "benches" / "headline-embedded.details.js").as_uri()
    assert script not in visit.requests, "nobody asked for it"
    visit.page.get_by_text("Runs", exact=True).click()
    visit.page.locator("details.run").first.wait_for(state="visible")
    assert script in visit.requests
    assert visit.page.locator("details.run").count() == 6
    assert visit.page.get_by_role("img").count() == 1, "figures have not been asked for"
    visit.page.get_by_text("Figures", exact=True).click()
    visit.page.locator(".figures svg").first.wait_for(state="visible")
    assert visit.requests.count(script) == 1
    assert visit.said == []


def test_a_link_into_details_that_are_not_there_yet_opens_them(browser: Any, index: Path) -> None:
    page = index.parent / "benches" / "made-up-embedded.html"
    run = made_up_bench(tasks=("mnist",), seeds=(0, 1))[1][2].spec.run_id
    visit = Visit(browser, f"{page.as_uri()}#made-up-embedded-{run}")
    visit.page.locator("details.run[open] summary", has_text=run).wait_for(state="visible")
    assert visit.said == []


def test_details_that_are_lost_are_said_to_be(browser: Any, index: Path, tmp_path: Path) -> None:
    page = index.parent / "benches" / "made-up-embedded.html"
    alone = tmp_path / page.name
    alone.write_bytes(page.read_bytes())
    visit = Visit(browser, alone.as_uri())
    visit.page.get_by_text("Runs", exact=True).click()
    said = visit.page.get_by_text("Expected made-up-embedded.details.js beside this page")
    said.wait_for(state="visible")
    assert said.count() == 1


def test_no_other_script_runs(browser: Any, index: Path, tmp_path: Path) -> None:
    page = (index.parent / "benches" / "made-up-embedded.html").read_text()
    evil = tmp_path / "evil.html"
    evil.write_text(
        page.replace("</main>", "<script>globalThis.evil = 1</script><img src=x onerror='evil = 2'></main>")
    )
    visit = Visit(browser, evil.as_uri())
    assert visit.page.evaluate("globalThis.evil") is None
