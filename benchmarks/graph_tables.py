"""What rules with a linker give, as a table of docs/memworld.md; from results/linker_rule.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from other_tables import of_file, table

Found = Mapping[str, Any]


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {make.__name__: partial(of_file, make) for make in (linker_rule,)}


def linker_rule(found: Found) -> str:
    title = (
        "**What rules alone give with the linker (`benchmarks/linker_rule.py`).** The row `linker_rule` as it stands, "
        "and with `live_leave` on; 64 tokens, exact reader, 64 held-out tasks of 48 steps, 16 of 480; 95 % intervals "
        "over tasks."
    )
    worlds = list(dict.fromkeys(name.rpartition(", ")[0] for name in found))
    rules = list(dict.fromkeys(name.rpartition(", ")[2] for name in found))
    rows = [[world, *(_success(found[f"{world}, {rule}"]) for rule in rules)] for world in worlds]
    return f"{title}\n\n{table(['world', *rules], rows)}"


def _success(row: Found) -> str:
    low, high = row["ci95"]
    return f"{row['success']:.3f} ± {(high - low) / 2:.3f}"
