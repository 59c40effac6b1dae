"""Write the results of README.md from benchmarks/results/EXPERIMENT/SEED.json, which experiments.py makes.

python benchmarks/readme_tables.py            # rewrites what stands between the markers
python benchmarks/readme_tables.py --check    # exit code 1 if README.md does not say what the files say
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import other_tables
import paired_table
import selftrain_tables

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
TITLES = {
    "joint": "Main job: SmolLM2-135M and its controller, trained jointly (`experiments.py joint`)",
    "controller_only": "Controller trained alone, the reader frozen after its warm start",
    "policy_only": "Policy trained alone, the controller untrained",
    "selftrain": "The self-training loop, SmolLM2-135M (`experiments.py selftrain`)",
    "horizon_480": "The same checkpoints at ten times the horizon (`experiments.py horizon`)",
    "horizon_480_controller_only": "Controller trained alone, at ten times the horizon",
    "horizon_480_policy_only": "Policy trained alone, at ten times the horizon",
    "graph": "Two-hop questions, token memory and graph (`experiments.py graph`)",
    "graph_token_only": "Two-hop questions, the same total budget in token memory alone",
    "graph_exact": "Two-hop questions read without error, token memory and graph (`experiments.py graph_exact`)",
    "graph_exact_token_only": "Two-hop questions read without error, the same total budget in token memory alone",
    "no_subjects": "The controller alone, read without error (`experiments.py subjects`)",
    "subjects": "The same with `controller.subjects`: it also sees what a text speaks of, embedded by itself",
    "no_subjects_480": "Without subjects, at ten times the horizon",
    "subjects_480": "With subjects, at ten times the horizon",
    "locomo": "LoCoMo, six dialogues, zero-shot transfer of the main job's run (`experiments.py locomo`)",
}
Evaluation = Mapping[str, Any]


def results(folder: Path) -> str:
    """One section an experiment; a line that says so where there is none."""
    sections = [_section(name, list(_evaluations(folder / name))) for name in TITLES if (folder / name).is_dir()]
    sections += paired_table.section(folder) + other_tables.sections(folder) + selftrain_tables.sections(folder)
    return "\n\n".join(sections) or "No results are checked in yet."


def _evaluations(folder: Path) -> Iterator[Evaluation]:
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _section(name: str, evaluations: Sequence[Evaluation]) -> str:
    first = evaluations[0]
    bounds = f", best keeper {first['oracle']:.3f}, blind guess {first['floor']:.3f}" if first["oracle"] else ""
    setting = (
        f"{len(evaluations)} seed(s) × {first['episodes']} episodes, memory {first['memory_budget_tokens']} tokens, "
        f"in view {first['read_budget_tokens']} tokens{bounds}"
    )
    categories = sorted({c for e in evaluations for row in e["rows"] for c in row["categories"]})
    shown = categories if len(categories) > 1 else []
    head = ["controller", "success", "95 % interval", "by seed", "tokens/step", "ms/step", *shown]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [_line(row, evaluations, shown) for row in _names(evaluations)]
    return f"**{TITLES[name]}.** {setting}.\n\n" + "\n".join(lines)


def _names(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(row["controller"] for e in evaluations for row in e["rows"]))


def _line(name: str, evaluations: Sequence[Evaluation], categories: Sequence[str]) -> str:
    rows = [row for e in evaluations for row in e["rows"] if row["controller"] == name]
    mean = statistics.fmean(row["success"] for row in rows)
    # Seeds are equally many episodes each: the variances of their means add up.
    half = math.sqrt(sum(((row["ci95"][1] - row["ci95"][0]) / 2) ** 2 for row in rows)) / len(rows)
    cells = [
        name,
        f"{mean:.3f}",
        f"{mean - half:.3f} to {mean + half:.3f}",
        ", ".join(f"{row['success']:.3f}" for row in rows),
        f"{statistics.fmean(row['tokens_per_step'] for row in rows):.1f}",
        f"{1000 * statistics.fmean(row['seconds_per_step'] for row in rows):.1f}",
        *(f"{statistics.fmean(row['categories'].get(c, math.nan) for row in rows):.3f}" for c in categories),
    ]
    return f"| {' | '.join(cells)} |"


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
