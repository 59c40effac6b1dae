"""The tables of docs/wrap.md, from results/wrap_plain and results/wrap_talk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from other_tables import table

PARTS = {
    "plain": "the plain questions",
    "paraphrased": "in other words",
    "after_more": "the plain ones after 2,000 further observations",
}
NAMES = {
    "none": "no memory", "window": "window of the newest", "bm25": "BM25", "dense": "embeddings (MiniLM)",
    "rrf": "RRF of both", "wrap": "wrap",
}  # fmt: skip


WHO = {"smollm2-135m": "SmolLM2-135M as it comes", "reader": "SmolLM2-135M taught to read on other streams"}


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {
        "wrap_plain": lambda folder: _read(folder / "wrap_plain" / "smollm2-135m.json", _plain),
        "wrap_talk": lambda folder: _read(folder / "wrap_talk" / "smollm2-135m.json", _talk),
        "wrap_talk_reader": lambda folder: _read(folder / "wrap_talk" / "reader.json", _talk),
    }


def _read(path: Path, make: Callable[[Mapping[str, Any]], str]) -> str | None:
    return make(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _plain(found: Mapping[str, Any]) -> str:
    title = (
        f"**Plain facts, plain questions (`benchmarks/wrap_plain.py`).** SmolLM2-135M, {found['facts_kept']} facts, "
        f"{found['read_tokens']} tokens in view, greedy. Right: the answer holds the expected words. The prompt was "
        "chosen on 30 other facts."
    )
    rows = [
        [name, *(f"{found[part][kind]}" for kind in ("right", "in_view", "first", "blank")),
         f"{found[part]['questions']}"]
        for part, name in PARTS.items() if part in found
    ]  # fmt: skip
    return f"{title}\n\n{table(['asked', 'right', 'fact in view', 'fact read first', 'blank', 'of'], rows)}"


def _talk(found: Mapping[str, Any]) -> str:
    told = found["tables"]
    title = (
        f"**A conversation of {found['turns']} turns, {WHO[found['model']]} (`benchmarks/wrap_talk.py`).** LoCoMo, "
        f"{found['dialogues']} "
        f"dialogues, {len(found['in_view']['wrap'])} questions whose evidence lies in those turns; "
        f"{found['read_tokens']} tokens in view, dates included. {_answered(found)}95 % intervals by bootstrap over "
        "questions, the differences paired."
    )
    rows = [
        [label, _told(told["in_view"][name]), _told(told["in_view_wrap_less"].get(name)), _told(told["f1"].get(name)),
         _told(told["f1_wrap_less"].get(name)), f"{found['most_tokens'][name]}"]
        for name, label in NAMES.items()
    ]  # fmt: skip
    head = ["row", "all evidence in view", "wrap less this", "token F1", "wrap less this", "most tokens"]
    if not told["f1"]:
        head, rows = [*head[:3], head[5]], [[*row[:3], row[5]] for row in rows]
    return f"{title}\n\n{table(head, rows)}"


def _answered(found: Mapping[str, Any]) -> str:
    if not found["tables"]["f1"]:
        return ""
    count = min(map(len, found["f1"].values()))
    return f"Token F1 of its answers on {count} of them. "


def _told(values: list[float] | None) -> str:
    return "" if values is None else f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"
