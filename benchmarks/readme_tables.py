"""Write the results table of README.md from benchmarks/results/*.json, each the output of ``memrl eval --json``.

memrl eval runs/quickstart-0 --json > benchmarks/results/memworld.json
python benchmarks/readme_tables.py            # rewrites what stands between the markers
python benchmarks/readme_tables.py --check    # exit code 1 if README.md does not say what the files say
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from memrl.report import markdown_table, setting

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def results(folder: Path) -> str:
    """One section a file, in the order of the file names; a line that says so where there is none."""
    sections = [_section(path) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(sections) or "No results are checked in yet."


def _section(path: Path) -> str:
    evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return f"**{path.stem.replace('_', ' ')}** ({setting(evaluation)})\n\n{markdown_table(evaluation)}"


def between_markers(page: str, text: str) -> str:
    """The page with ``text`` in place of what stood between the markers. Raises ValueError if it lacks them."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md: it lacks the markers {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def main() -> int:
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = between_markers(old, results(ROOT / "benchmarks" / "results"))
    if "--check" in sys.argv[1:]:
        if old != new:
            print("README.md: its results are not those of benchmarks/results; run python benchmarks/readme_tables.py")
        return int(old != new)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
