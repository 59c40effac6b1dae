"""What a long life costs: 100,000 units streamed into a wrapped agent's memory, and a question now and then.

python benchmarks/streamed.py                 # writes benchmarks/results/streamed.json
python benchmarks/streamed.py --units 10000

Milliseconds are of the processor: the machine has other work. ``observe`` is everything but the embedding of the text,
which is made beforehand; ``ask`` is everything but the embedding of the question and the language model: candidates,
their description, and every choice of the controller that ships until 256 tokens are in view. Units are made of words
drawn by their rank (Zipf), 12 to 36 a unit; token vectors have MiniLM's shape and are drawn once a word.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import machine

from memory_stores.token_vectors import Encoded, Tokens
from memrl.contracts.config import EnvConfig, MemoryConfig, PolicyConfig, TrainConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import register
from memrl.contracts.types import Observation, Task
from memrl.rollouts.outside import _drive, take_in
from memrl.rollouts.play import EpisodeContext, retrieve
from memrl.training.build import build_agent
from memrl.training.start import started_config

RESULT = Path(__file__).parent / "results" / "streamed.json"
WORDS, WIDTH = 20_000, 384


class Drawn:
    """Embeds a text as the mean of its words' vectors, which are drawn once."""

    dim = WIDTH

    def __init__(self) -> None:
        vectors = np.random.default_rng(0).standard_normal((WORDS, WIDTH)).astype(np.float32)
        self._of = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed(self, texts: Any) -> Any:
        return self.encode(texts).vectors

    def encode(self, texts: Any) -> Encoded:
        ids = [np.array([int(word[1:]) for word in text.split()], dtype=np.int32) for text in texts]
        whole = np.stack([self._of[one].mean(axis=0) for one in ids]) if ids else np.zeros((0, WIDTH), np.float32)
        tokens = [Tokens(one, self._of[one].astype(np.float16)) for one in ids]
        return Encoded(whole / np.linalg.norm(whole, axis=1, keepdims=True), tokens)


register("embedder", "drawn", Drawn)


def made() -> Agent:
    config = TrainConfig(
        env=EnvConfig(name="conversation"),
        policy=PolicyConfig(model="tiny"),
        memory=MemoryConfig(
            token_budget=0, archive_budget=10**9, archive_all=True, archive="bm25", read_budget=256, texts=0,
            embedder="drawn",
        ),
        controller=started_config(),
    )  # fmt: skip
    agent = build_agent(config)
    object.__setattr__(agent, "count_tokens", lambda text: len(text.split()))
    return agent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    agent = made()
    context = EpisodeContext(
        agent=agent, task=Task(env="conversation", theta=None, seed=0), memory=agent.new_memory(), rng=rng, greedy=True
    )
    looks = {int(options.units * share): [] for share in (0.01, 0.1, 1.0)}
    spent: list[float] = []
    table: dict[str, Any] = {}
    for n in range(options.units):
        text = " ".join(f"w{min(int(rank), WORDS) - 1}" for rank in rng.zipf(1.3, int(rng.integers(12, 36))))
        agent.table.add([text])
        started = time.process_time()
        take_in(context, Observation(id=f"u{n}", step=n, content=text))
        agent.offers.took_in(context.memory, text)  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        spent.append(time.process_time() - started)
        if n + 1 in looks:
            table[str(n + 1)] = {
                "observe_ms_median": 1000 * median(spent[-1000:]),
                "observe_ms_p99": 1000 * float(np.quantile(spent[-1000:], 0.99)),
                "ask_ms": asks(context, rng, n + 1),
                "resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
            print(n + 1, table[str(n + 1)], flush=True)
    options.out.write_text(json.dumps({"machine": machine(), "units": table}, indent=1) + "\n", encoding="utf-8")


def asks(context: EpisodeContext, rng: np.random.Generator, step: int) -> dict[str, float]:
    """Milliseconds of a question, after one more unit each time: the first, and the median of the next fifteen."""
    found: list[float] = []
    for k in range(16):
        text = " ".join(f"w{min(int(rank), WORDS) - 1}" for rank in rng.zipf(1.3, 10))
        context.agent.table.add([text])
        asked = Observation(id=f"q{step}-{k}", step=step, content=text, wants_action=True, writable=False)
        started = time.process_time()
        _drive(retrieve(context, asked, []), context.agent)
        found.append(1000 * (time.process_time() - started))
        take_in(context, Observation(id=f"u{step}-{k}", step=step, content=f"{text} w{k}"))
        context.agent.offers.took_in(context.memory, f"{text} w{k}")  # pyright: ignore
    return {"first": found[0], "median": median(found[1:])}


if __name__ == "__main__":
    main()
