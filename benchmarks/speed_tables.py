"""The tables of ``generation.py`` and ``play.py``, which put old code and new side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from other_tables import of_file, table

SETTINGS = {"distinct": "32 prompts", "siblings": "4 prompts, 8 answers each"}


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {make.__name__: partial(of_file, make) for make in (generation, play)}


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


PARTS = {
    "policy_play": "play, the policy answers",
    "practice_play": "play, an exact reader answers",
    "credit": "credit",
    "reread": "choosing what is reread",
    "update": "update",
    "all": "the whole step",
}


def play(found: Mapping[str, Any]) -> str:
    """Practice in steps a second, and a step of the main job in seconds."""
    machine = found["machine"]
    title = (
        "**Play, old code (3f98739) and new in turns (`play.py`).** Processor time of one core; "
        f"{machine['threads']} thread of {machine['cpu']}. Medians of the rounds; the ratios are of each round."
    )
    rows = [
        [
            f"practice, {one['horizon']} steps, {one['tokens']} tokens, {8 * one['tasks']} episodes: steps/s",
            f"{one['steps_per_second']['old']:,.0f}", f"{one['steps_per_second']['new']:,.0f}",
            f"{one['times']['median']:.2f}", ", ".join(f"{x:.2f}" for x in one["times"]["each"]),
        ]
        for one in found["practice"]
    ]  # fmt: skip
    step = found.get("step", {})
    rows += [
        [
            f"a step of the main job, {told}: s",
            f"{step[name]['old']:.1f}", f"{step[name]['new']:.1f}", f"{step[name]['old'] / step[name]['new']:.2f}",
            ", ".join(f"{x:.2f}" for x in step["times"]["each"]) if name == "all" else "",
        ]
        for name, told in PARTS.items()
        if step
    ]  # fmt: skip
    return f"{title}\n\n{table(['what', 'old', 'new', 'times', 'each round'], rows)}"
