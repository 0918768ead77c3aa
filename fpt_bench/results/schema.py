"""The fields of a result, as a JSON schema and as tables for people.

    python -m fpt_bench.results.schema docs

rewrites docs/result.schema.json and the tables in docs/results-schema.md, below its mark.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fpt_bench.results.result import RunResult

JSON_FILE, PAGE_FILE = "result.schema.json", "results-schema.md"
MARK = "<!-- written by fpt_bench.results.schema from here on -->\n"


def json_schema() -> str:
    """Return the JSON schema of a result.json as text."""
    return json.dumps(RunResult.model_json_schema(mode="serialization"), indent=1) + "\n"


def tables() -> str:
    """Return a table of fields in Markdown for a result and for each part of it."""
    schema = RunResult.model_json_schema(mode="serialization")
    sections = {"result.json": schema, **schema["$defs"]}
    return "\n".join(_section(name, part) for name, part in sections.items())


def _section(name: str, part: dict[str, Any]) -> str:
    lines = [f"## {name}", "", part.get("description", "").replace("\n", " "), "", "| field | type | what it is |"]
    lines.append("|---|---|---|")
    for field, what in part["properties"].items():
        described = " ".join(what.get("description", "").split()).replace("|", "\\|")
        lines.append(f"| `{field}` | {_type(what)} | {described} |")
    return "\n".join([*lines, ""])


def _type(what: dict[str, Any]) -> str:
    """Write a JSON type in words.

    Example:
        >>> _type({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]})
        'number in [0, 1] or none'
    """
    if "anyOf" in what:
        return " or ".join(_type(each) for each in what["anyOf"])
    if "$ref" in what:
        return str(what["$ref"]).rpartition("/")[2]
    if "enum" in what:
        return ", ".join(f"`{value}`" for value in what["enum"])
    if "prefixItems" in what:
        return f"({', '.join(_type(each) for each in what['prefixItems'])})"
    kind = str(what.get("type", "any"))
    if kind == "array":
        return f"list of {_type(what.get('items', {}))}"
    if kind == "object" and isinstance(what.get("additionalProperties"), dict):
        return f"mapping to {_type(what['additionalProperties'])}"
    if "maximum" in what:
        return f"{kind} in [{what['minimum']:g}, {what['maximum']:g}]"
    if "minimum" in what:
        return f"{kind} from {what['minimum']:g}"
    return {"null": "none", "string": str(what.get("format", "text"))}.get(kind, kind)


def write(docs: Path) -> None:
    """Write both into a folder of documentation whose page has the mark."""
    (docs / JSON_FILE).write_text(json_schema(), encoding="utf-8")
    page = docs / PAGE_FILE
    head, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{page}: expected the line {MARK.strip()!r}, found none")
    page.write_text(f"{head}{MARK}\n{tables()}", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
