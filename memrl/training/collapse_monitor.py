"""Against collapse: alarms on a run's own metrics, and the way back when a step makes the held-out score fall.

Every ``every`` steps a few held-out tasks, always the same, are played greedily and read exactly, which costs no LM
token. Where their mean falls by more than so many standard errors below the best so far, the weights go back to those
of that best; random generators, banks and logs go on, so that the same step is not simply played again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from memrl.contracts.config import MonitorConfig
from memrl.contracts.errors import TrainingError
from memrl.contracts.protocols import Agent, Checkpointed
from memrl.contracts.types import Task
from memrl.rollouts.scheduler import play

ANCHOR_SEED = 0xA2C4
"""Held-out tasks of these seeds are the anchors; an evaluation uses others."""
GOES_ON = ("rng", "updates", "references")
"""State that no rollback takes back: what was drawn was drawn, and a falling learning rate does not rise again."""
WEIGHTS = ("policy", "controller", "learner", "proposer")
"""Parts of a run that go back."""
DISAGREED = "reject/trackers"
VARIETY = "variety"
SKIPPED = "skipped_updates"
FAILED = 3
"""Steps in a row in which no episode was played to an end, after which a run stops: nothing can be learned of it."""


class CollapseMonitor:
    """Part of a run, with a state of its own: the anchors' best scores, and the weights that earned them.

    Args:
        play_anchors: plays the held-out tasks and returns the success of each, as ``anchor_scores`` does.
        proposer: who writes the run's tasks, if somebody does.
    """

    def __init__(
        self, config: MonitorConfig, play_anchors: Callable[[], list[float]], proposer: Checkpointed | None = None
    ) -> None:
        self._config, self._play_anchors, self._proposer = config, play_anchors, proposer
        self._best: list[float] | None = None
        self._snapshot: dict[str, Any] = {}
        self._rollbacks = 0
        self._told: list[str] = []
        self._widest = 0.0
        self._failed = 0

    def look(
        self, step: int, metrics: Mapping[str, float], parts: Mapping[str, Checkpointed], say: Callable[[str], None]
    ) -> dict[str, float]:
        """What there is to add to a step's metrics. May set ``parts`` back.

        Returns:
            ``alarm/NAME`` 0 or 1 for whatever ``metrics`` lets one judge; every ``config.every`` steps also
            ``anchor_success``, ``rolled_back`` (0 or 1) and ``rollbacks`` (so far).

        Raises:
            TrainingError: every episode of ``FAILED`` steps in a row ended with an error of its environment.
        """
        found = self._alarms(metrics)
        played = any(name in metrics for name in ("success", "practice_success"))
        self._failed = 0 if played or not metrics.get("env_errors") else self._failed + 1
        if self._failed >= FAILED:
            raise TrainingError(
                f"env.name: every episode of {FAILED} steps in a row ended with an error of its environment; what it "
                "said stands above: mend it, and resume"
            )
        if self._config.every and step % self._config.every == 0:
            found |= self._anchors(step, parts, say)
        for name, rings in found.items():
            if name.startswith("alarm/") and rings and name not in self._told:
                self._told.append(name)
                say(f"step {step}: {_MEANING[name]}")
        return found

    def _alarms(self, metrics: Mapping[str, float]) -> dict[str, float]:
        config, found = self._config, {}
        if not config.alarms:
            return {}
        if "proposer/entropy" in metrics:
            found["alarm/proposer_entropy"] = metrics["proposer/entropy"] < config.proposer_entropy
        if "entropy" in metrics:
            found["alarm/op_entropy"] = metrics["entropy"] < config.op_entropy
        if SKIPPED in metrics:
            found["alarm/gradient"] = metrics[SKIPPED] > 0
        if VARIETY in metrics:
            self._widest = max(self._widest, metrics[VARIETY])
            found["alarm/variety"] = metrics[VARIETY] < config.variety * self._widest
        if DISAGREED in metrics:
            found["alarm/verifiers"] = metrics[DISAGREED] > 0
        return {name: float(rings) for name, rings in found.items()}

    def _anchors(self, step: int, parts: Mapping[str, Checkpointed], say: Callable[[str], None]) -> dict[str, float]:
        scores = self._play_anchors()
        fell = self._best is not None and has_fallen(scores, self._best, self._config.standard_errors)
        if fell:
            assert self._best is not None
            self._go_back(parts)
            self._rollbacks += 1
            say(
                f"step {step}: success on {len(scores)} held-out tasks fell from {np.mean(self._best):.2f} to "
                f"{np.mean(scores):.2f}; the weights go back to those of the best"
            )
        elif self._best is None or np.mean(scores) >= np.mean(self._best):
            self._best = scores
            self._snapshot = {name: deepcopy(part.state_dict()) for name, part in self._weights(parts).items()}
        return {
            "anchor_success": float(np.mean(scores)),
            "rolled_back": float(fell),
            "rollbacks": float(self._rollbacks),
        }

    def _go_back(self, parts: Mapping[str, Checkpointed]) -> None:
        for name, part in self._weights(parts).items():
            now = part.state_dict()
            goes_on = {key: now[key] for key in GOES_ON if key in now}
            # A copy: an optimizer goes on to change the tensors that it was given.
            part.load_state_dict({**deepcopy(self._snapshot[name]), **goes_on})

    def _weights(self, parts: Mapping[str, Checkpointed]) -> dict[str, Checkpointed]:
        own = {"proposer": self._proposer} if self._proposer is not None else {}
        return {name: part for name, part in {**parts, **own}.items() if name in WEIGHTS}

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self._best,
            "snapshot": self._snapshot,
            "rollbacks": self._rollbacks,
            "told": list(self._told),
            "failed": self._failed,
            "widest": self._widest,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best = None if state["best"] is None else list(state["best"])
        self._snapshot = deepcopy(dict(state["snapshot"]))
        self._rollbacks, self._told = int(state["rollbacks"]), list(state["told"])
        self._widest = float(state["widest"])
        self._failed = int(state.get("failed", 0))


_MEANING = {
    "alarm/proposer_entropy": "the proposer of tasks hardly varies any more; raise curriculum.options.fresh or lower "
    "curriculum.options.proposed",
    "alarm/op_entropy": "the controller hardly explores any more; raise learner.entropy",
    "alarm/gradient": "a gradient was not finite, and its optimiser step was skipped; lower the learning rates",
    "alarm/variety": "the tasks drawn ask for fewer and fewer skills; raise curriculum.options.fresh",
    "alarm/verifiers": "the two trackers disagreed about a task, which was not played; please report it with its line "
    "of tasks.jsonl",
}


def anchor_tasks(agent: Agent, count: int) -> list[Task]:
    """``count`` held-out tasks of the run's own theta, always the same."""
    return [agent.task_source.held_out(ANCHOR_SEED + i) for i in range(count)]


def anchor_scores(agent: Agent, count: int) -> list[float]:
    """Success of greedy play of each anchor, in [0, 1]."""
    groups = play(agent, anchor_tasks(agent, count), [ANCHOR_SEED], tries=1, greedy=True, practice=True)
    return [episode.success for group in groups for episode in group.episodes]


def has_fallen(now: list[float], best: list[float], standard_errors: float) -> bool:
    """Whether the mean fell by more than so many standard errors of the mean difference, task by task.

    Hand check: best (1, 1, 1, 1), now (1, 1, 0, 0): a fall of 0.5 with a standard error of 0.289, so 1.73 of them.
    """
    falls = np.array(best) - np.array(now)
    error = float(falls.std(ddof=1) / np.sqrt(len(falls))) if len(falls) > 1 else 0.0
    return bool(falls.mean() > max(standard_errors * error, 1e-9))
