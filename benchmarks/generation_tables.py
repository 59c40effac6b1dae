"""The table of ``generation.py``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from other_tables import table

SETTINGS = {"distinct": "32 prompts", "siblings": "4 prompts, 8 answers each"}


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {"generation": _of_file}


def _of_file(folder: Path) -> str | None:
    path = folder / "generation.json"
    return generation(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def generation(found: Mapping[str, Any]) -> str:
    """Old and new sampler side by side."""
    shortest, longest = found["prompt_tokens"]
    machine, same = found["machine"], found["same_ids"]
    title = (
        f"**The sampler and the one it replaced (`generation.py`).** {found['model']} in {found['dtype']}, "
        f"{found['answers']} answers, prompts of {shortest} to {longest} tokens, in turns in one process; "
        f"{machine['threads']} thread(s) of {machine['cpu']}. Tokens a second of the clock; the last column compares "
        "by processor time, which other work on the machine touches less. Of the answers of 64 tokens to 4 prompts, "
        f"{same['new']['same_backwards']} of {same['new']['answers']} have the same ids in the reverse order and "
        f"{same['new']['same_in_small_batches']} of {same['new']['in_small_batches']} in small batches."
    )
    rows = [
        [
            SETTINGS[setting], part, f"{row['old']['per_second']:.1f}", f"{row['new']['per_second']:.1f}",
            f"{row['ratio']:.2f}", f"{row['ratio_processor']:.2f}",
        ]
        for setting in SETTINGS
        for part, row in found[setting].items()
    ]  # fmt: skip
    head = ["answers to", "what", "old, tokens/s", "new, tokens/s", "new to old", "by processor time"]
    return f"{title}\n\n{table(head, rows)}"
