"""How fast the policy's own sampler is beside the one it replaced, in one process and in turns; and where time goes.

python benchmarks/generation.py                       # SmolLM2; writes benchmarks/results/generation.json
python benchmarks/generation.py --old /a/checkout     # the old modules from a folder in place of git's history
python benchmarks/generation.py --model tiny --rounds 1 --out /tmp/generation.json

32 answers are sampled, to 32 prompts without a common line (``distinct``) or to 4 that 8 siblings each have in common
(``siblings``), as the groups of training do. Answers run to the limit, or end at one token in sixteen. Reading the
prompts and decoding are timed apart. Seconds are of the clock and of the processor: on a machine with other work the
latter say more. Old and new draw other numbers for a seed; where answers end, the old side therefore draws as the new
does, so that both write the same answers, and the ratio there leaves out what drawing has gained.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from machine import machine

from memrl.contracts.config import PolicyConfig
from memrl.policies import frozen_prefix, prefill, sampling
from memrl.policies.frozen_prefix import common_start
from memrl.policies.loading import load_model

RESULT = Path(__file__).parent / "results" / "generation.json"
OLD = "3f98739"
"""The last commit with the old sampler."""
prefill.PASS = 1 << 30  # both sides read all prompts in one batch, so that what is timed is the same work
ANSWERS, SIBLINGS = 32, 8
HEADER = "Answer from memory in one word, or say unknown.\nMemory:\n"
CASES = {"8 tokens": (8, 0), "64 tokens": (64, 0), "up to 64, ending": (64, 16)}
"""Name -> the limit, and one in how many tokens ends an answer (0 for none)."""


class Side(NamedTuple):
    """A sampler and what it keeps of the prompts' start."""

    code: Any
    prefix: Any


class Timed(NamedTuple):
    clock: float
    processor: float


def old_modules(folder: Path | None) -> tuple[ModuleType, ModuleType]:
    """``sampling`` and ``frozen_prefix`` as they were, under other names."""

    def source(name: str) -> str:
        path = f"memrl/policies/{name}.py"
        if folder:
            return (folder / path).read_text(encoding="utf-8")
        root = Path(__file__).parents[1]
        return subprocess.run(
            ["git", "show", f"{OLD}:{path}"], cwd=root, capture_output=True, text=True, check=True
        ).stdout

    made = []
    for name in ("frozen_prefix", "sampling"):
        text = source(name).replace("memrl.config", "memrl.contracts.config")
        text = text.replace("memrl.policies.frozen_prefix", "old_frozen_prefix")
        module = sys.modules[f"old_{name}"] = ModuleType(f"old_{name}")
        exec(compile(text, f"old_{name}", "exec"), module.__dict__)
        made.append(module)
    return made[1], made[0]


def prompts(tokenizer: Any, count: int, tokens: int) -> list[tuple[int, ...]]:
    """Of about ``tokens`` tokens: the header, and lines that no two have in common."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        text, goal = HEADER, tokens - int(rng.integers(30))
        while len(ids := tokenizer(text + "Question: Where is it?\nAnswer:")["input_ids"]) < goal:
            text += f"- Ana put the hat number {rng.integers(1000)} in the barn.\n"
        found.append(tuple(ids))
    return found


def timed(run: Callable[[], Any]) -> tuple[Any, Timed]:
    clock, processor = time.perf_counter(), time.process_time()
    done = run()
    return done, Timed(time.perf_counter() - clock, time.process_time() - processor)


def read(side: Side, model: Any, asked: Sequence[tuple[int, ...]]) -> Any:
    """One batch of prompts, read."""
    distinct = list(dict.fromkeys(asked))
    [batch] = side.code.read_prompts(model, distinct, 1 << 20, model.device, side.prefix)
    return batch


def answer(side: Side, model: Any, batch: Any, asked: Sequence[Any], seeds: Sequence[int], case: str) -> list[Any]:
    limit, one_in = CASES[case]
    vocabulary = batch.logits_PV.shape[1]
    stops = (
        torch.arange(0, vocabulary, one_in, device=model.device) if one_in else torch.tensor([-1], device=model.device)
    )
    rows = [batch.prompts.index(prompt) for prompt in asked]
    with mock.patch.object(side.code, "draw", sampling.draw if one_in else side.code.draw):
        return side.code.decode(model, batch, rows, seeds, PolicyConfig(max_new_tokens=limit), stops)


def compare(sides: dict[str, Side], model: Any, asked: Sequence[tuple[int, ...]], rounds: int) -> dict[str, Any]:
    """Medians over rounds in which the sides take turns. Prompts are read once a side, and decoded from a copy."""
    times: dict[str, dict[str, list[tuple[Timed, int]]]] = {}
    read_batches: dict[str, Any] = {}
    for name, side in sides.items():
        read_batches[name], spent = timed(lambda side=side: read(side, model, asked))
        times[name] = {"reading": [(spent, sum(map(len, read_batches[name].prompts)))]}
    for case in CASES:
        for _, (name, side) in product(range(rounds), sides.items()):
            copy = deepcopy(read_batches[name])
            made, spent = timed(lambda s=side, c=copy, k=case: answer(s, model, c, asked, range(len(asked)), k))
            times[name].setdefault(case, []).append((spent, sum(len(drawn.ids) for drawn in made)))
            del copy
    return {part: _row({name: times[name][part] for name in sides}) for part in times["old"]}


def _row(found: dict[str, list[tuple[Timed, int]]]) -> dict[str, Any]:
    """Seconds, tokens a second, and the ratio new to old of the latter."""
    sides: dict[str, Any] = {}
    for name, runs in found.items():
        clock, processor = median(t.clock for t, _ in runs), median(t.processor for t, _ in runs)
        tokens = runs[0][1]
        sides[name] = {"seconds": clock, "processor_seconds": processor, "tokens": tokens, "per_second": tokens / clock}
    new, old = sides["new"], sides["old"]
    by_processor = (new["tokens"] / new["processor_seconds"]) / (old["tokens"] / old["processor_seconds"])
    return {**sides, "ratio": new["per_second"] / old["per_second"], "ratio_processor": by_processor}


def agreement(side: Side, model: Any, asked: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Of the answers of 64 tokens drawn together, how many have the same ids in other batches."""
    seeds = list(range(len(asked)))

    def drawn(chosen: Sequence[int]) -> dict[int, Any]:
        part = [asked[r] for r in chosen]
        made = answer(side, model, read(side, model, part), part, [seeds[r] for r in chosen], "64 tokens")
        return {r: answered.ids for r, answered in zip(chosen, made, strict=True)}

    together, backwards = drawn(seeds), drawn(seeds[::-1])
    by_prompt: dict[int, Any] = {}
    for prompt in dict.fromkeys(asked):
        by_prompt |= drawn([r for r in seeds if asked[r] == prompt][::2])
    return {
        "answers": len(seeds),
        "same_backwards": sum(together[r] == backwards[r] for r in seeds),
        "in_small_batches": len(by_prompt),
        "same_in_small_batches": sum(together[r] == ids for r, ids in by_prompt.items()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--dtype", default="auto", choices=["auto", "bfloat16", "float32"])
    parser.add_argument("--prompt-tokens", type=int, default=340)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, tokenizer = load_model(PolicyConfig(model=options.model, dtype=options.dtype))
    distinct = prompts(tokenizer, ANSWERS, options.prompt_tokens)
    start = common_start(distinct)
    old_sampling, old_prefix = old_modules(options.old)
    sides = {
        "old": Side(old_sampling, old_prefix.FrozenPrefix(start)),
        "new": Side(sampling, frozen_prefix.FrozenPrefix(start)),
    }
    settings = {"distinct": distinct, "siblings": [distinct[i // SIBLINGS] for i in range(ANSWERS)]}
    found: dict[str, Any] = {"machine": machine(), "model": options.model, "dtype": str(model.dtype).partition(".")[2]}
    found |= {"answers": ANSWERS, "prompt_tokens": [min(map(len, distinct)), max(map(len, distinct))]}
    with torch.inference_mode():
        for name, asked in settings.items():
            found[name] = compare(sides, model, asked, options.rounds)
            print(name, json.dumps(found[name], indent=1), flush=True)
        found["same_ids"] = {name: agreement(side, model, settings["siblings"]) for name, side in sides.items()}
    print(json.dumps(found["same_ids"], indent=1))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
