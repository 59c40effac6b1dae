"""How fast the learner is, side by side in one run: each of its savings switched off, and a bare pass as the floor.

python benchmarks/learner.py                       # SmolLM2 and the tiny model; writes benchmarks/results/learner.json
python benchmarks/learner.py --models tiny --rounds 3

The floor is a plain forward and backward pass of the same model with the same LoRA over exactly the rows that are
trained, padded, cross-entropy on the answers and no optimiser: what no learner can avoid that reads row by row. Rows
are what a step of the main job leaves: views of one to thirty lines, siblings with equal views, many with no advantage.
Variants take turns within a round; a figure is the median over rounds, so a slow spell of a shared machine hits all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from machine import machine
from rich.console import Console
from rich.table import Table

import memrl.training.token_loss
from memrl.algos.losses import clipped_surrogate
from memrl.contracts.config import LearnerConfig, PolicyConfig
from memrl.policies import loading
from memrl.policies.hf import HFPolicy
from memrl.policies.prompts import render
from memrl.policies.sampling import pad_left
from memrl.training.batch import Batch, TokenRow, merge_equal, micro_batches
from memrl.training.learner import Learner

RESULT = Path(__file__).parent / "results" / "learner.json"
SIBLINGS = 8
DECIDED = 0.5
"""Share of the questions on which siblings differ; on the others every advantage is zero."""


def sampled_rows(policy: HFPolicy, questions: int, rng: np.random.Generator) -> list[TokenRow]:
    """Answers of siblings to questions over views of mixed lengths, most of them alike, as rollouts give them."""
    rows: list[TokenRow] = []
    for _ in range(questions):
        lines = [f"Ana put the hat number {rng.integers(1000)} in the barn." for _ in range(rng.integers(1, 31))]
        [prompt] = policy.encode([render(lines, "Where is the hat?")])
        answers = [tuple(int(i) for i in rng.integers(5, 200, size=rng.integers(1, 4))) for _ in range(2)]
        decided = rng.random() < DECIDED
        for k in range(SIBLINGS):
            advantage = (0.01 if k < SIBLINGS // 2 else -0.01) if decided else 0.0
            answer = answers[int(k >= SIBLINGS // 2)]
            rows.append(
                TokenRow(prompt_ids=prompt, action_ids=answer, logprobs=(-5.0,) * len(answer), advantage=advantage)
            )
    return rows


def learner_step(policy: HFPolicy, rows: Sequence[TokenRow], budget: int, skip: bool = True) -> Callable[[], None]:
    """``skip``: leave rows without advantage unread."""
    config = LearnerConfig(batch_tokens=budget, policy_learning_rate=1e-5, skip_silent_rows=skip)
    learner = Learner({"policy": policy}, None, config)
    return lambda: void(learner.update(Batch(ops=None, tokens={"policy": tuple(rows)})))


def bare_pass(policy: HFPolicy, rows: Sequence[TokenRow], budget: int) -> Callable[[], None]:
    """Forward, cross-entropy on the answers, backward: nothing of memrl's but its micro-batches."""

    def run() -> None:
        for micro in micro_batches(rows, budget):
            width = max(len(row.action_ids) for row in micro)
            inputs = pad_left([[*row.prompt_ids, *row.action_ids] for row in micro], policy.model.device)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=policy.model.dtype is torch.bfloat16):
                logits = policy.model(**inputs, logits_to_keep=width + 1, use_cache=False).logits[:, :-1]
            targets = inputs["input_ids"][:, -width:].clone()
            for line, row in zip(targets, micro, strict=True):
                line[: width - len(row.action_ids)] = -100
            torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten()).backward()

    return run


def whole_logits(policy: HFPolicy, rows: Sequence[TokenRow], budget: int) -> Callable[[], None]:
    """The LM head on every position, then one log-softmax over all of them."""

    def run() -> None:
        for micro in micro_batches(rows, budget):
            inputs = pad_left([[*row.prompt_ids, *row.action_ids] for row in micro], policy.model.device)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=policy.model.dtype is torch.bfloat16):
                logits = policy.model(**inputs, use_cache=False).logits
            logprobs = logits[:, :-1].float().log_softmax(-1)
            chosen = logprobs.gather(2, inputs["input_ids"][:, 1:, None]).squeeze(2)
            loss = torch.zeros(())
            for line, row in zip(chosen, micro, strict=True):
                size = len(row.action_ids)
                old = torch.tensor(row.logprobs)
                loss = loss + clipped_surrogate(line[-size:], old, torch.tensor(row.advantage), 0.2, 0.28).loss.sum()
            loss.backward()

    return run


def in_given_order(rows: Sequence[TokenRow], budget: int, *, alike: bool) -> list[list[TokenRow]]:
    """Micro-batches of the same size without length buckets."""
    batches: list[list[TokenRow]] = []
    for row in rows:
        longest = max([row.length, *(other.length for other in batches[-1])]) if batches else 0
        if batches and (len(batches[-1]) + 1) * longest <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def with_old_pass(policy: HFPolicy, rows: Sequence[TokenRow], budget: int) -> Callable[[], None]:
    """A pass for old log-probabilities before each update, as off-policy learners make."""
    step = learner_step(policy, rows, budget)

    def run() -> None:
        with torch.no_grad():
            for micro in micro_batches(rows, budget):
                policy.token_logprobs([(row.prompt_ids, row.action_ids) for row in micro])
        step()

    return run


def patched(run: Callable[[], None], where: object, name: str, value: object) -> Callable[[], None]:
    def inside() -> None:
        with mock.patch.object(where, name, value):
            run()

    return inside


def void(_: object) -> None:
    """Drop a result."""


def variants(policy: HFPolicy, everything: Sequence[TokenRow], budget: int) -> dict[str, Callable[[], None]]:
    rows = [row for row in merge_equal(everything) if not row.silent]
    kept = [row for row in everything if not row.silent]
    step = learner_step(policy, rows, budget)
    return {
        "bare pass (floor)": bare_pass(policy, rows, budget),
        "learner": step,
        "shared starts read once a row": patched(step, policy, "shares_starts", False),
        "fused attention backwards": patched(step, loading, "SHORT", 0),
        "no batches of like rows": patched(step, memrl.training.token_loss, "micro_batches", in_given_order),
        "LM head on all positions": whole_logits(policy, rows, budget),
        "with an old-logprob pass": with_old_pass(policy, rows, budget),
        "equal rows not merged": learner_step(policy, kept, budget),
        "zero advantages not dropped": learner_step(policy, merge_equal(everything), budget, skip=False),
    }


def measure(model: str, questions: int, rounds: int, budget: int) -> dict[str, object]:
    policy = HFPolicy(PolicyConfig(model=model))
    rows = sampled_rows(policy, questions, np.random.default_rng(0))
    runs = variants(policy, rows, budget)
    runs["learner"]()  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    trained = [row for row in merge_equal(rows) if not row.silent]
    tokens = sum(row.length for row in trained)
    return {"rows": len(rows), "trained_rows": len(trained), "trained_tokens": tokens, "seconds": medians}


def show(results: dict[str, dict[str, object]]) -> None:
    for model, found in results.items():
        seconds: dict[str, float] = found["seconds"]  # pyright: ignore[reportAssignmentType]
        table = Table("variant", "seconds", "trained tokens/s", "speed against the floor", title=model)
        for name, value in seconds.items():
            speed = seconds["bare pass (floor)"] / value
            table.add_row(name, f"{value:.2f}", f"{found['trained_tokens'] / value:,.0f}", f"{speed:.2f}")  # pyright: ignore[reportOperatorIssue]
        Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["smollm2-135m", "tiny"])
    parser.add_argument("--questions", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=LearnerConfig().batch_tokens)
    options = parser.parse_args()
    results = {name: measure(name, options.questions, options.rounds, options.budget) for name in options.models}
    show(results)
    RESULT.write_text(json.dumps({"machine": machine(), "models": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
