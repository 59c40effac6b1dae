"""What a trained controller loses, and how: every fact that a held-out question rests on and that was not in view.

python benchmarks/lost_facts.py RUN [RUN ...]            # 64 held-out tasks each, read without error, greedy

The exact tracker names the facts; the episode's own ops say what became of each. A fact is counted once for each way it
was lost, however many questions wanted it. `spare`: something that no later question rests on stood in memory when the
fact was let go, so that it could have been had for nothing. Result: benchmarks/results/lost_facts.json;
docs/main_job.md shows the runs of `experiments.py subjects`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, OpDecision
from memrl.envs.memworld.env import MemWorldTasks
from memrl.evaluate import held_out_tasks
from memrl.policies.oracle_reader import OracleReader
from memrl.reflectors.evidence import Evidence, Missing
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run

RESULT = Path(__file__).parent / "results" / "lost_facts.json"
SEED = 7
"""Other tasks than those of the tables."""


class Lost(NamedTuple):
    """One fact that was let go."""

    source: int
    """Step that told it."""
    step: int
    """Step that let it go."""
    how: str
    spare: bool


def lost_facts(episode: Episode, agent: Agent) -> set[Lost]:
    """Every fact that was wanted and out of view, once for each way it was lost."""
    evidence = Evidence(episode, agent.task_source, "diff")
    return {lost for missing in evidence.missing for lost in _ways(evidence, missing)}


def _ways(evidence: Evidence, missing: Missing) -> Iterator[Lost]:
    """The last op that took it, or the one that passed it over."""
    written, losses = evidence.losses(missing)
    step = losses[-1].step if losses else missing.source
    ops = [d for d in evidence.episode.steps[step].decisions if isinstance(d, OpDecision)]
    if not ops:
        yield Lost(missing.source, step, "nothing was on offer", False)
        return
    decision = ops[losses[-1].place if losses else -1]
    op = type(decision.action).__name__
    if written and not losses:
        yield Lost(missing.source, step, "in memory, not in view", False)
        return
    how = f"written, then {op}" if losses else f"never written: {op}"
    held = {getattr(offer, "id", "") for offer in decision.offers.ops} - {""}
    sources = [evidence.source_of[id] for id in held if id in evidence.source_of]
    spare = any(evidence.next_use(source, step) == float("inf") for source in sources)
    yield Lost(missing.source, step, how, spare)


def measure(run: Path, episodes: int) -> dict[str, Any]:
    config, checkpoint = load_run(run)
    agent = build_agent(config)
    if not isinstance(agent.task_source, MemWorldTasks):
        raise SystemExit(
            f"{run}: env {agent.task_source.name!r} has no tracker that names the facts; take a MemWorld run"
        )
    agent.controller.load_state_dict(checkpoint["controller"])
    agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
    tasks = held_out_tasks(agent, config, SEED, episodes)
    rngs = [np.random.default_rng([SEED, i]) for i in range(episodes)]
    contexts = [
        EpisodeContext(agent=agent, task=task, memory=agent.new_memory(), rng=rng, greedy=True)
        for task, rng in zip(tasks, rngs, strict=True)
    ]
    played = play_all((play_episode(context) for context in contexts), agent, config.rollout.concurrency)
    found = [lost for episode in played for lost in lost_facts(episode, agent)]
    return {
        "run": run.name,
        "success": float(np.mean([episode.success for episode in played])),
        "lost": len(found),
        "how": dict(Counter(lost.how for lost in found).most_common()),
        "spare": sum(lost.spare for lost in found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--episodes", type=int, default=64)
    options = parser.parse_args()
    rows = [measure(run, options.episodes) for run in options.runs]
    RESULT.write_text(json.dumps({"episodes": options.episodes, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
