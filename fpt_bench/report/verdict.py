"""The regression gate's verdict, written for people (Markdown) and for test reports (JUnit XML)."""

from pathlib import Path
from xml.etree import ElementTree

from fpt_bench.analysis.gate import Verdict
from fpt_bench.report.escapes import for_markdown, for_markdown_cell, for_terminal


def render_summary(verdict: Verdict, tables: Path, baseline: Path) -> str:
    """Write the verdict as Markdown: the one line, a table of what failed, and which runs were not repeated."""
    lines = [f"**{verdict.line}**", "", for_markdown(f"`{tables}` against `{baseline}`")]
    failed = [finding for finding in verdict.findings if finding.problem]
    if failed:
        lines += ["", "| where | check | problem |", "|---|---|---|"]
        cells = ((finding.subject, finding.check, finding.problem or "") for finding in failed)
        lines += ["| " + " | ".join(for_markdown_cell(cell) for cell in line) + " |" for line in cells]
    lines += [line for each in verdict.explanations for line in ("", for_markdown(each))]
    return "\n".join(lines) + "\n"


def render_junit(verdict: Verdict) -> str:
    """Write the verdict as JUnit XML: a test case for each cell and check, a failure for each problem."""
    suite = ElementTree.Element(
        "testsuite", name="fpt_bench check", tests=str(len(verdict.findings)), failures=str(len(verdict.problems))
    )
    for finding in verdict.findings:
        # XML has no way to write a control character: they are shown as on a terminal.
        names = {"classname": for_terminal(finding.subject), "name": for_terminal(finding.check)}
        case = ElementTree.SubElement(suite, "testcase", names)
        if finding.problem:
            ElementTree.SubElement(case, "failure", message=for_terminal(finding.problem))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
