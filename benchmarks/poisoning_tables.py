"""The table of docs/poisoning.md, from results/poisoning.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from other_tables import table
from reading_tables import gain

Digits = Mapping[str, str]
NAMES = {
    "before": "trained, never attacked",
    "after": "trained under attack",
    "strict": "trained under attack, doubted in no view",
}
"""What trained readers are called."""


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {"poisoning": section}


def section(folder: Path) -> str | None:
    """Every reader in every world: success of attacks, then of answers."""
    path = folder / "poisoning.json"
    if not path.exists():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    kinds, found = data["attacks"], data["found"]
    seeds = sum(row.startswith("after ") for row in found["attacked"])
    lines = []
    for world, rows in found.items():
        for name, of in _readers(rows).items():
            lines.append([world, name, *_line(of, kinds)])
    head = ["world", "reader", "attacks that succeed", *kinds, "right though attacked", "right, not attacked"]
    first = next(iter(_readers(found["attacked"]).values()))[0]
    count = sum(len(first.get(kind, "")) for kind in kinds)
    cost = gain(_right(found["clean"], "after"), _right(found["clean"], "before"))
    title = (
        f"**Planted texts (`benchmarks/poisoning.py`).** MemWorld of 48 steps in styles that training never showed, "
        f"64 tokens of an archive of everything in view, a gullible exact reader; {count} attacked questions, in words "
        f"that training never showed. Trained readers: mean of {seeds} seed(s). On the clean tasks training against "
        f"attacks gains {cost} (95 %, paired bootstrap over questions)."
    )
    return f"{title}\n\n{table(head, lines)}"


def _readers(rows: Mapping[str, Digits]) -> dict[str, list[Digits]]:
    """Rules by themselves, trained readers by what they were trained for, all seeds together."""
    found: dict[str, list[Digits]] = {}
    for row, digits in rows.items():
        what = row.split(" ")[0]
        name = NAMES.get(what, row)
        found.setdefault(name, []).append(digits)
    return found


def _line(of: list[Digits], kinds: list[str]) -> list[str]:
    attacks = ["".join("".join(one.get(kind, "") for kind in kinds) for one in of)]
    attacks += ["".join(one.get(kind, "") for one in of) for kind in kinds]
    answers = ["".join(one.get(kind, "") for one in of) for kind in ("right though attacked", "benign")]
    return [f"{digits.count('1') / len(digits):.3f}" if digits else "" for digits in (*attacks, *answers)]


def _right(rows: Mapping[str, Digits], what: str) -> np.ndarray:
    """[Q] of the clean tasks, the mean over seeds."""
    return np.mean(
        [[float(digit) for digit in of["benign"]] for row, of in rows.items() if row.split(" ")[0] == what], axis=0
    )
