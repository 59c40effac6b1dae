"""LoCoMo as an environment: every turn tells, then the dialogue's questions ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Brief, Outcome
from memrl.contracts.registry import register
from memrl.contracts.types import Action, Observation, Say, Split, Task, Verdict
from memrl.envs.locomo.data import Dialogue, Question, correct, find_file, load
from memrl.envs.locomo.scoring import CATEGORIES, score
from memrl.envs.locomo.theta import LocomoOptions, LocomoTheta

BRIEF = Brief(header="Answer from memory in one word, or say unknown.")


class LocomoEnv:
    """One dialogue, played once. An answer earns its LoCoMo score, from 0.0 to 1.0.

    Args:
        task: what is played.
        shown: all observations in order.
        asked: the question of every observation that asks, by the observation's id.
    """

    def __init__(self, task: Task, shown: Sequence[Observation], asked: Mapping[str, Question]) -> None:
        self.task = task
        self._shown, self._asked = shown, asked
        self._at: int | None = None

    def start(self) -> Observation:
        """The first turn. Raises RuntimeError if it was started before."""
        if self._at is not None:
            raise RuntimeError("a LocomoEnv is played once: make another from the same task")
        self._at = 0
        return self._shown[0]

    def step(self, action: Action | None) -> Outcome:
        """Judge the action where a question was asked, and show what comes next."""
        if self._at is None or self._at >= len(self._shown):
            raise RuntimeError("step() needs an observation to deal with: the episode has not started or is over")
        verdict = self._judge(self._shown[self._at], action)
        self._at += 1
        following = self._shown[self._at] if self._at < len(self._shown) else None
        return Outcome(verdict.score if verdict else 0.0, following, verdict)

    def _judge(self, observation: Observation, action: Action | None) -> Verdict | None:
        question = self._asked.get(observation.id)
        if question is None:
            return None
        answer = action.text if isinstance(action, Say) else ""
        points = score(answer, question.gold, question.category)
        return Verdict(score=points, expected=question.gold, category=CATEGORIES[question.category])


class LocomoTasks:
    """The dialogues of one LoCoMo file. Nobody knows the best keeper of real talk.

    Args:
        data: file or folder; None looks in ``MEMRL_DATA``, then in ``../shared/data``.
        theta: axes of ``LocomoTheta`` that differ from its default; ``horizon`` is taken for ``max_turns``.

    Raises:
        DataError: the file is missing, corrupt or of another format.
        ConfigError: an axis is unknown, or leaves a dialogue without questions.
    """

    name = "locomo"
    passive = True

    def __init__(self, data: str | None = None, theta: Mapping[str, Any] | LocomoTheta | None = None) -> None:
        self.theta = _as_theta({} if theta is None else theta)
        self._path = find_file(data)
        self._dialogues = load(self._path)
        self._corrected = lru_cache(maxsize=1)(lambda: correct(self._dialogues, self._path))
        for index in self._indices():
            self._part(replace(self.theta, dialogue=index), 0)
        self.num_tasks = len(self._indices())

    def _indices(self) -> range:
        """The dialogues in play: all, or the one that theta names."""
        only, count = self.theta.dialogue, len(self._dialogues)
        return range(count) if only < 0 else range(only, only + 1)

    def task(self, seed: int, split: Split = "eval", theta: LocomoTheta | None = None, cell: str = "") -> Task:
        """The task that plays dialogue ``seed`` modulo their number, or the one that theta names."""
        base = theta or self.theta
        index = base.dialogue if base.dialogue >= 0 else seed % len(self._dialogues)
        return Task(env=self.name, theta=replace(base, dialogue=index), seed=seed, split=split, cell=cell)

    def brief(self, task: Task) -> Brief:
        return BRIEF

    def train(self, cell: str, seed: int) -> Task:
        """The dialogue of a cell."""
        return self.task(seed, "train", replace(self.theta, dialogue=int(cell.removeprefix("dialogue_"))), cell)

    def held_out(self, seed: int) -> Task:
        """The dialogue that ``seed`` chooses among those in play."""
        indices = self._indices()
        return self.task(seed, "eval", replace(self.theta, dialogue=indices[seed % len(indices)]))

    def cells(self) -> Sequence[str]:
        """One cell for each dialogue in play."""
        return [f"dialogue_{i}" for i in self._indices()]

    def make(self, task: Task) -> LocomoEnv:
        dialogue, asked = self._part(task.theta, task.seed)
        return LocomoEnv(task, _observations(dialogue, asked), asked)

    def texts(self, task: Task) -> list[str]:
        """Everything that a play of the task shows, questions included."""
        return [observation.text for observation in _observations(*self._part(task.theta, task.seed))]

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """The first turns of each dialogue, and the questions that they answer."""
        return {"max_turns": horizon}

    def _part(self, theta: LocomoTheta, seed: int) -> tuple[Dialogue, dict[str, Question]]:
        """The turns that are told, and the questions that are asked, by observation id."""
        dialogues = self._corrected() if theta.corrected else self._dialogues
        if theta.dialogue >= len(dialogues):
            raise ConfigError("env.options.dialogue", theta.dialogue, f"{self._path} has {len(dialogues)}, from 0")
        whole = dialogues[theta.dialogue if theta.dialogue >= 0 else seed % len(dialogues)]
        part = replace(whole, turns=whole.turns[: theta.max_turns or None])
        asked = _asked(part, cut=len(part.turns) < len(whole.turns), most=theta.max_questions)
        if not asked:
            way_out = (
                f"no question of dialogue {whole.name!r} can be answered from so few turns; raise it, or 0 for all"
            )
            raise ConfigError("env.options.max_turns", theta.max_turns, way_out)
        return part, asked


def _asked(dialogue: Dialogue, cut: bool, most: int) -> dict[str, Question]:
    """At most ``most`` questions; of a dialogue that is cut off, those whose evidence was told."""
    told = {turn.id for turn in dialogue.turns}
    fair = [
        (f"q{i}", question)
        for i, question in enumerate(dialogue.questions)
        if not cut or (question.evidence and told.issuperset(question.evidence))
    ]
    # The file lists questions by category: the first few would be of one or two kinds only.
    if 0 < most < len(fair):
        fair = [fair[i * len(fair) // most] for i in range(most)]
    return dict(fair)


def _observations(dialogue: Dialogue, asked: Mapping[str, Question]) -> list[Observation]:
    shown = [(turn.id, turn.text, False) for turn in dialogue.turns]
    shown += [(name, question.text, True) for name, question in asked.items()]
    return [
        Observation(id=id, step=step, content=text, wants_action=asks, writable=not asks)
        for step, (id, text, asks) in enumerate(shown)
    ]


def _as_theta(theta: LocomoTheta | Mapping[str, Any]) -> LocomoTheta:
    return theta if isinstance(theta, LocomoTheta) else LocomoTheta.from_mapping(theta)


def _make(options: LocomoOptions) -> LocomoTasks:
    axes = {axis.name: getattr(options, axis.name) for axis in fields(LocomoTheta)}
    return LocomoTasks(options.data, axes)


register("env", "locomo", _make, LocomoOptions)
