"""MemWorld in the wild, kept in few tokens: what could be learned if every text came with its label.

python benchmarks/natural_ceiling.py            # results/natural/ceiling.json; some minutes of one core
python benchmarks/natural_ceiling.py --policy   # SmolLM2's hidden states too; half an hour more without bf16

A logistic regression is told which texts of training state a fact that will be asked about, which no controller ever
is, and says it of held-out styles, from frozen vectors. Then a keeper goes by it: of what it takes for a
fact it keeps the newest, as many as fit; with ``true subject`` it is also told what each speaks of, so that it drops
what is overtaken. ``all known`` needs no classifier. Nothing is trained by reward: it bounds what can be hoped for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from machine import machine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoTokenizer

from memory_stores.embed import MiniLM
from memrl.contracts.config import PolicyConfig
from memrl.contracts.types import Task
from memrl.envs.memworld import presets
from memrl.envs.memworld.env import MemWorldTasks, shown
from memrl.envs.memworld.events import QUERIES, Assert
from memrl.envs.memworld.program import program_of
from memrl.policies.loading import load_model
from memrl.policies.models import resolve

RESULT = Path(__file__).parent / "results" / "natural" / "ceiling.json"
TRAINING, HELD_OUT = 110, 64
BUDGETS = (64, 96, 128)
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
Embed = Callable[[Sequence[str]], np.ndarray]


class Told(NamedTuple):
    """One step of a task."""

    text: str
    trusted: bool
    fact: bool
    subject: str
    asks: bool


def stories(tasks: Sequence[Task]) -> list[list[Told]]:
    return [
        [
            Told(seen.text, seen.trust == 1.0, isinstance(event, Assert), getattr(event, "subject", ""), asks)
            for event, seen in zip(program_of(task).events, shown(program_of(task)), strict=True)
            for asks in [isinstance(event, QUERIES)]
        ]
        for task in tasks
    ]


def judged(every: Sequence[Sequence[Told]]) -> list[Told]:
    """What a classifier looks at: trust tells the rest."""
    return [one for story in every for one in story if one.trusted and not one.asks]


def classified(embed: Embed, training: Sequence[Told], held_out: Sequence[Told]) -> tuple[dict[str, float], np.ndarray]:
    """Figures of one kind of vectors on held-out styles, and the scores; strength by a third of training kept apart."""
    own, other = embed([one.text for one in training]), embed([one.text for one in held_out])
    facts, true = (np.array([one.fact for one in part]) for part in (training, held_out))
    first = 2 * len(own) // 3

    def scores(strength: float, until: int, vectors: np.ndarray) -> np.ndarray:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        return model.fit(own[:until], facts[:until]).decision_function(vectors)

    best = max(STRENGTHS, key=lambda strength: roc_auc_score(facts[first:], scores(strength, first, own[first:])))
    found = scores(best, len(own), other)
    figures = {
        "accuracy": ((found > 0) == true).mean(), "found": (found > 0)[true].mean(), "false": (found > 0)[~true].mean(),
        "area": roc_auc_score(true, found), "strength": best,
    }  # fmt: skip
    return {name: float(value) for name, value in figures.items()}, found


def kept(
    every: Sequence[Sequence[Told]], score: Mapping[str, float], subjects: bool, cost: Mapping[str, int], budget: int
):
    """Share of questions whose newest fact is held, by a keeper of what scores above 0."""
    shares = []
    for story in every:
        held: list[int] = []
        right: list[bool] = []
        for i, one in enumerate(story):
            if one.asks:
                newest = max(j for j in range(i) if story[j].fact and story[j].subject == one.subject)
                right.append(newest in held)
            elif one.trusted and score[one.text] > 0:
                if subjects and one.subject:
                    held = [j for j in held if story[j].subject != one.subject]
                held.append(i)
                while sum(cost[story[j].text] for j in held) > budget:
                    held.pop(0)
        shares.append(float(np.mean(right)))
    return float(np.mean(shares))


def embeddings(with_policy: bool) -> tuple[dict[str, Embed], Callable[[str], int]]:
    """Kinds of frozen vectors, and the tokens of a text."""
    bert = MiniLM().model

    def mean_of(run: Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]) -> Embed:
        def embed(texts: Sequence[str]) -> np.ndarray:
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            out: list[np.ndarray] = [np.zeros(0)] * len(texts)
            for at in range(0, len(order), 32):
                part = order[at : at + 32]
                with torch.inference_mode():
                    hidden, mask = run([texts[i] for i in part])
                    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                for i, row in zip(part, mean.numpy(), strict=True):
                    out[i] = row
            return np.stack(out)

        return embed

    def of_bert(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        given = bert.preprocess(list(texts))
        out = bert[0].auto_model(
            input_ids=given["input_ids"], attention_mask=given["attention_mask"], output_hidden_states=True
        )
        return out.hidden_states[4], given["attention_mask"].float()

    kinds = {
        "MiniLM, sentence": lambda texts: MiniLM().embed(list(texts)),
        "MiniLM, mean of tokens, layer 4": mean_of(of_bert),
    }
    tokenizer = AutoTokenizer.from_pretrained(resolve("smollm2-135m"))
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    def cost(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    if not with_policy:
        return kinds, cost
    policy, _ = load_model(PolicyConfig(dtype="float32"))
    policy.eval()

    def of_policy(texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        given = tokenizer(list(texts), return_tensors="pt", padding=True, padding_side="right")
        out = policy.model(**given, output_hidden_states=True)
        return out.hidden_states[16], given["attention_mask"].float()

    return kinds | {"SmolLM2-135M, mean of tokens, layer 16": mean_of(of_policy)}, cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", action="store_true")
    with_policy = parser.parse_args().policy
    torch.set_num_threads(1)
    source = MemWorldTasks(presets.natural())
    training = judged(stories([source.task(i) for i in range(TRAINING)]))
    every = stories([source.held_out(i) for i in range(HELD_OUT)])
    held_out = judged(every)
    kinds, count = embeddings(with_policy)
    cost = {one.text: count(one.text) for story in every for one in story}
    known = {one.text: 1.0 if one.fact else -1.0 for one in held_out}
    success = {"all known": known}
    told: dict[str, object] = {"machine": machine(), "training": len(training), "held_out": len(held_out)}
    for name, embed in kinds.items():
        figures, found = classified(embed, training, held_out)
        told[name] = figures
        success[name] = dict(zip([one.text for one in held_out], found.tolist(), strict=True))
        print(name, {key: round(value, 3) for key, value in figures.items()}, flush=True)
    told["success"] = {
        f"{name}, {with_subject}": {
            str(b): kept(every, score, with_subject == "true subject", cost, b) for b in BUDGETS
        }
        for name, score in success.items()
        for with_subject in ("true subject", "no subject")
    }
    print(json.dumps(told["success"], indent=1))
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
