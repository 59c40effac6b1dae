"""From failed episodes to proven lessons to learning.

    failed episodes ─ reflector ─> edits in words ─ text guard ─> replay with the edit ─> lessons that gained
    lessons ─> rules in memory ─ siblings with and without ─> three wins: a rule may influence play (in context)
            └> auxiliary losses: the better op as target or preference; right second answers distilled

An attempt that failed is judged by its own rewards and nothing else; what its lesson gained is no reward of its.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memrl.algos.role_baseline import role_advantages
from memrl.contracts.config import ReflectionConfig
from memrl.contracts.generation import AuxiliaryLoss
from memrl.contracts.learning import Lesson, Place, Reflector
from memrl.contracts.protocols import Agent
from memrl.contracts.types import End, Episode, Group, Task, TokenDecision
from memrl.controllers.advice import advice_of, in_words
from memrl.reflection.auxiliary_losses import (
    AnswerDistil,
    AnswerPreference,
    LogProbsOf,
    OpDistil,
    OpPreference,
    Reads,
    ReflectorTokens,
    Scores,
    Second,
    Spoken,
)
from memrl.reflection.proof import Measured, Spent, decision_at, replayed, siblings_of, try_rules
from memrl.reflection.rules import RuleMemory
from memrl.reflection.second_attempt import second_attempts
from memrl.reflection.text_guard import refused

Chosen = Sequence[tuple[int, Sequence[int]]]
"""(index of a group, indices into its episodes) of what is studied."""
IN_CONTEXT = ("in_context", "distil_memory")
"""Modes in which standing rules influence play."""


class NoReflection:
    """Studies nothing: the mode "off"."""

    def study(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        return []

    def auxiliary_losses(self, lessons: Sequence[Lesson]) -> Sequence[AuxiliaryLoss]:
        return ()

    def metrics(self) -> dict[str, float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


class Reflecting:
    """Verified reflection: ``study`` after play, ``auxiliary_losses`` before the update, in every step.

    Args:
        memory: of rules; made outside, since a controller in context reads it too.
        signature: key of the skills that a task asks for.
        controller: who learns from better ops; None for nobody.
        policy: who learns from second answers; None for nobody.
        logprobs_of: for a reflector that samples tokens which are to be trained; else None.
    """

    def __init__(
        self,
        config: ReflectionConfig,
        reflector: Reflector,
        memory: RuleMemory,
        signature: Callable[[Task], str],
        *,
        seed: int,
        controller: Scores | None = None,
        policy: Reads | None = None,
        logprobs_of: LogProbsOf | None = None,
    ) -> None:
        self._config, self._reflector, self.memory, self._signature = config, reflector, memory, signature
        self._controller, self._policy, self._logprobs_of = controller, policy, logprobs_of
        self._rng = np.random.default_rng([seed, 0x4EF])
        self._updates = 0
        self._baseline: float | None = None
        self._told: list[tuple[TokenDecision, float]] = []
        self._seconds: list[Second] = []
        self._counts: Counter[str] = Counter()
        self._gain = 0.0
        self.spent = Spent()
        """What proof has cost so far."""

    def study(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        chosen = self._failed(groups)
        if not chosen:
            return []
        failed = [Group(task=groups[g].task, episodes=tuple(groups[g].episodes[e] for e in es)) for g, es in chosen]
        practice = failed[0].episodes[0].practice
        proposed = self._reflector.reflect(failed, agent)
        passed = self._guarded(proposed, failed)
        proven = self._proven(passed, failed, agent) if self._config.verify else _one_each(passed)
        lessons = self._on_siblings(proven, agent, practice)
        self.memory.prune()
        self._remember_tokens(proposed, lessons)
        if self._policy is not None and not practice:
            self._retry(failed, agent)
        self._counts.update(proposed=len(proposed), proven=len(lessons))
        self._gain += sum(lesson.gain for lesson in lessons)
        return [replace(one, at=_among_all(one.at, chosen)) for one in lessons]

    def auxiliary_losses(self, lessons: Sequence[Lesson]) -> Sequence[AuxiliaryLoss]:
        self._updates += 1
        seconds, self._seconds = self._seconds, []
        parts: list[AuxiliaryLoss] = self._reflector_part()
        config = self._config
        if config.mode in ("distil", "distil_memory"):
            if lessons and self._controller is not None:
                parts.append(OpDistil(self._controller, lessons, config.weight))
            if seconds and self._policy is not None:
                parts.append(AnswerDistil(self._policy, seconds, config.policy_weight))
        elif config.mode == "dpo":
            if lessons and self._controller is not None:
                parts.append(OpPreference(self._controller, lessons, config.weight, config.beta))
            if seconds and self._policy is not None:
                parts.append(AnswerPreference(self._policy, seconds, config.policy_weight, config.beta))
        return parts

    def metrics(self) -> dict[str, float]:
        """Counts since the last call, and the rules as they stand."""
        counts, self._counts = self._counts, Counter()
        told = {f"reflection/{name}": float(value) for name, value in sorted(counts.items())}
        gain, self._gain = self._gain, 0.0
        told["reflection/gain"] = gain / max(1, counts["proven"])
        told["reflection/rules"] = float(len(self.memory))
        told["reflection/standing"] = float(len(self.memory.standing))
        told |= {f"reflection/spent_{name}": float(value) for name, value in self.spent._asdict().items()}
        return told

    def state_dict(self) -> dict[str, Any]:
        """Between two steps nothing else is pending."""
        return {
            "memory": self.memory.state_dict(),
            "rng": self._rng.bit_generator.state,
            "updates": self._updates,
            "baseline": self._baseline,
            "spent": list(self.spent),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.memory.load_state_dict(state["memory"])
        self._rng.bit_generator.state = state["rng"]
        self._updates = int(state["updates"])
        self._baseline = state["baseline"]
        self.spent = Spent(*state["spent"])

    def _failed(self, groups: Sequence[Group]) -> Chosen:
        """Failed episodes by group, drawn at random where they are more than the share that is studied."""
        all_of = [
            (g, e)
            for g, group in enumerate(groups)
            for e, episode in enumerate(group.episodes)
            if episode.end is not End.ENV_ERROR
        ]
        failed = [(g, e) for g, e in all_of if self._has_failed(groups[g].episodes[e])]
        most = int(self._config.share * len(all_of))
        chosen = sorted(failed[int(i)] for i in self._rng.permutation(len(failed))[:most])
        self._counts.update(failed=len(failed), studied=len(chosen))
        return [(g, [e for g2, e in chosen if g2 == g]) for g in sorted({g for g, _ in chosen})]

    def _has_failed(self, episode: Episode) -> bool:
        return episode.is_judged and episode.end is End.DONE and episode.success < self._config.threshold

    def _guarded(self, lessons: Sequence[Lesson], groups: Sequence[Group]) -> list[Lesson]:
        """Those that may be told: a change, told once, in words that give nothing away."""
        told: dict[tuple[Place, int], Lesson] = {}
        for lesson in lessons:
            key = (lesson.at, lesson.better)
            if lesson.better == lesson.decision.choice or key in told:
                self._counts["empty_or_duplicate"] += 1
                continue
            if not _recorded_there(lesson, groups):
                raise ValueError(
                    f"a lesson must be about a decision of the groups it was given, and {lesson.at} holds another"
                )
            if refused(lesson.rule, groups[lesson.at.group].episodes[lesson.at.episode], lesson.step):
                self._counts["text_refused"] += 1
                continue
            told[key] = lesson
        return list(told.values())

    def _proven(self, lessons: Sequence[Lesson], groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        """Those whose replay gained and reached far enough."""
        measured, spent = replayed(lessons, groups, agent)
        self.spent = self.spent.plus(spent)
        good = [one.lesson for one in measured if self._holds(one)]
        self._counts["replay_refused"] += len(measured) - len(good)
        return _one_each(good)

    def _holds(self, one: Measured) -> bool:
        return one.lesson.gain > 0 and one.reached >= self._config.reach

    def _on_siblings(self, lessons: Sequence[Lesson], agent: Agent, practice: bool) -> list[Lesson]:
        """Enter the lessons' rules into memory, try rules on siblings, and say what each lesson's rule was worth."""
        config = self._config
        keys = [self._enter(lesson) for lesson in lessons]
        gains: dict[str, list[float]] = {}
        if config.verify and config.siblings and config.trials:
            tasks = siblings_of([one.task for one in lessons], agent, config.siblings, self._rng)
            rules = self.memory.to_try(config.trials)
            tried = [(rule.advice, rule.text) for rule in rules]
            trials, spent = try_rules(tried, tasks, agent, config.bonus, practice)
            self.spent = self.spent.plus(spent)
            for key, gain in trials:
                self.memory.judge(self.memory[key], gain, self._updates)
                gains.setdefault(key, []).append(gain)
        return [
            replace(lesson, sibling_gain=self._worth(key, gains), signature=self._signature(lesson.task))
            for lesson, key in zip(lessons, keys, strict=True)
        ]

    def _enter(self, lesson: Lesson) -> str:
        """Enter the rule that the edit is an example of, in the words of that rule: replay proves the edit, not what a
        reflector said about it."""
        decision = lesson.decision
        advice = advice_of(decision.offers, lesson.better)
        before, after = type(decision.action).__name__, type(decision.offers.ops[lesson.better]).__name__
        task = f"{lesson.task.env} seed {lesson.task.seed} {lesson.task.cell}".strip()
        self.memory.enter(
            advice, in_words(advice), f"update {self._updates}: {task}, step {lesson.step}: {before} -> {after}"
        )
        return advice.key

    def _worth(self, key: str, gains: Mapping[str, Sequence[float]]) -> float:
        if key in gains:
            return float(np.mean(gains[key]))
        return self.memory[key].utility if key in self.memory else 0.0

    def _remember_tokens(self, proposed: Sequence[Lesson], lessons: Sequence[Lesson]) -> None:
        """A reflection is paid what its rule gained on siblings; one that was turned away, nothing."""
        worth = {(one.at, one.better): one.sibling_gain for one in lessons}
        for one in proposed:
            if one.told is not None:
                # Taken out once paid, so that saying it again earns nothing.
                self._told.append((one.told, worth.pop((one.at, one.better), 0.0)))

    def _reflector_part(self) -> list[AuxiliaryLoss]:
        told, self._told = self._told, []
        advantages, self._baseline = role_advantages([reward for _, reward in told], self._baseline)
        spoken = [Spoken(one, advantage) for (one, _), advantage in zip(told, advantages, strict=True) if advantage]
        if self._logprobs_of is None or not spoken:
            return []
        return [ReflectorTokens(self._logprobs_of, spoken, self._config.reflector_weight)]

    def _retry(self, failed: Sequence[Group], agent: Agent) -> None:
        texts = [rule.text for rule in self.memory.standing]
        seconds, tokens = second_attempts(failed, agent, texts)
        self._seconds += seconds
        self._counts["second_answers"] += len(seconds)
        self.spent = self.spent.plus(Spent(tokens=tokens))


def _recorded_there(lesson: Lesson, groups: Sequence[Group]) -> bool:
    """Whether the lesson's decision is the one that stands at its place."""
    recorded, said = decision_at(groups, lesson.at), lesson.decision
    if recorded is None:
        return False
    return (recorded.choice, recorded.memory_hash, recorded.offers.ops) == (
        said.choice, said.memory_hash, said.offers.ops,
    )  # fmt: skip


def _among_all(at: Place, chosen: Chosen) -> Place:
    """A place among the failed episodes, as it is among all that were given."""
    group, episodes = chosen[at.group]
    return at._replace(group=group, episode=episodes[at.episode])


def _one_each(lessons: Sequence[Lesson]) -> list[Lesson]:
    """One lesson a decision, that of the highest gain, the first of equals: targets must not contradict each other."""
    best: dict[Place, Lesson] = {}
    for lesson in lessons:
        held = best.get(lesson.at)
        if held is None or lesson.gain > held.gain:
            best[lesson.at] = lesson
    return list(best.values())
