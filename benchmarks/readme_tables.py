"""Write the tables of README.md and docs/ from benchmarks/results, which the other scripts here make.

python benchmarks/readme_tables.py            # rewrites what stands between the markers of each page
python benchmarks/readme_tables.py --check    # exit code 1 if a page does not say what the files say

A page marks the place of a table by the name of its section: <!-- results: joint --> ... <!-- end -->.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import acting_tables
import answers_tables
import evaluation_tables
import graph_tables
import natural_tables
import other_tables
import overwrite_tables
import paired_table
import poisoning_tables
import reading_tables
import selftrain_tables
import speed_tables
import stale_tables
import text_memory_tables
import textworld_tables
import tool_tables
import wrap_tables
import writing_tables

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PLACE = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", flags=re.S)
Sections = Mapping[str, Callable[[Path], str | None]]


def sections() -> Sections:
    """Name of a section to what makes it from the folder of results."""
    made = {
        **evaluation_tables.sections(),
        **other_tables.sections(),
        **selftrain_tables.sections(),
        **acting_tables.sections(),
        **answers_tables.sections(),
        **speed_tables.sections(),
        **overwrite_tables.sections(),
        **text_memory_tables.sections(),
        **reading_tables.sections(),
        **writing_tables.sections(),
        **natural_tables.sections(),
        **graph_tables.sections(),
        **stale_tables.sections(),
        **tool_tables.sections(),
        **textworld_tables.sections(),
        **poisoning_tables.sections(),
        **wrap_tables.sections(),
    }
    return made | {"paired": paired_table.section}


def filled(page: str, made: Sections, folder: Path) -> str:
    """The page with today's table at every marked place.

    Raises:
        KeyError: a place names a section that nothing makes.
        ValueError: a marker has lost its partner.
    """

    def fill(place: re.Match[str]) -> str:
        text = made[place[2]](folder) or f"No results of `{place[2]}` are checked in yet."
        return f"{place[1]}{text}\n{place[3]}"

    places(page)
    return PLACE.sub(fill, page)


def places(page: str) -> list[str]:
    """Names of the sections that a page has a place for, in its order. Raises ValueError for a marker left alone."""
    found = [place[2] for place in PLACE.finditer(page)]
    if not len(found) == page.count("<!-- results:") == page.count("<!-- end -->"):
        raise ValueError(f"of {', '.join(found)}: a marker <!-- results: NAME --> or <!-- end --> has lost its partner")
    return found


def main() -> int:
    stale = 0
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        new = filled(old, sections(), ROOT / "benchmarks" / "results")
        if "--check" not in sys.argv[1:]:
            path.write_text(new, encoding="utf-8")
        elif old != new:
            stale = 1
            name = path.relative_to(ROOT)
            print(f"{name}: its tables are not those of benchmarks/results; run python benchmarks/readme_tables.py")
    return stale


if __name__ == "__main__":
    sys.exit(main())
