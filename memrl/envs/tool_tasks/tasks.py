"""Your tasks with your tools as a task source.

env:
  name: tool_tasks
  options: {data: tasks.jsonl, tools: [python, "my_tools:room"]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memrl.contracts.capabilities import fingerprint
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.protocols import Brief
from memrl.contracts.questions import said_questions
from memrl.contracts.registry import register
from memrl.contracts.types import Split, Task, Tool, as_text
from memrl.envs.tool_tasks.env import Told, ToolTasksEnv, repeats
from memrl.envs.tool_tasks.judging import judge_of, needs_answers
from memrl.envs.tool_tasks.options import ToolTasksOptions, ToolTasksTheta
from memrl.envs.tool_tasks.records import ToolTask, Turn, load
from memrl.envs.tool_tasks.toolset import Toolset
from memrl.tools.schema import problem_of_call


class ToolTasks:
    """The tasks of a file, in two splits that share none.

    Where every question has an answer in the file there is a walkthrough, the calls that it names before it.

    Raises:
        DataError: the file cannot be read, or is at fault: file, line and field.
        ConfigError: an option that these tasks cannot have.
    """

    name = "tool_tasks"

    def __init__(self, options: ToolTasksOptions) -> None:
        if not options.data:
            raise ConfigError("env.options.data", "", "name a file of tasks, one JSON object a line (docs/tools.md)")
        self.options = options
        self._tasks = {one.id: one for one in load(Path(options.data).expanduser())}
        self._split = self._splits()
        self._judge = judge_of(options.judge)
        self._tools = Toolset(options.entries, options.seconds, options.sandboxed)
        for one in self._tasks.values():
            if wrong := self._tools.problem_of_state(one.state):
                raise DataError(f"{options.data}: task {one.id!r}: state: it does not fit {wrong}")
        self._specs = self._tools.box(next(iter(self._tasks.values())).state).specs
        self._check()
        if options.joined == 1:
            self.num_tasks = len(self._split["eval"])
        if all(turn.answers for one in self._tasks.values() for turn in one.turns if turn.asks):
            self.walkthrough = self._walkthrough

    def make(self, task: Task) -> ToolTasksEnv:
        made = [self._tasks[id] for id in self._ids(task)]
        boxes = [self._tools.box(one.state) for one in made]
        told = [Told(made[k].turns[i], boxes[k]) for k, i in self._order(task, made)]
        return ToolTasksEnv(told, self._judge, self.options)

    def brief(self, task: Task) -> Brief:
        options = self.options
        return Brief(header=options.header, tools=self._specs, max_new_tokens=options.max_new_tokens)

    def cells(self) -> tuple[str, ...]:
        return ("all",)

    def train(self, cell: str, seed: int) -> Task:
        return self._task("train", seed)

    def held_out(self, seed: int) -> Task:
        """Of the tasks that training never sees, all in turn."""
        return self._task("eval", seed)

    def fingerprints(self, split: Split) -> list[str]:
        """Of each task: what its turns say and its state; the turns' own fields, answers among them."""
        return [_fingerprint(self._tasks[id]) for id in self._split[split]]

    def at_horizon(self, horizon: int) -> dict[str, Any]:
        """As many tasks an episode as have so many turns, about."""
        turns = sum(len(one.turns) for one in self._tasks.values()) / len(self._tasks)
        most, wanted = min(map(len, self._split.values())), max(1, round(horizon / turns))
        if wanted > most:
            way_out = f"a task has {turns:.3g} turns and a split {most} tasks: ask for {int(most * turns)} at most"
            raise ConfigError("horizon", horizon, way_out)
        return {"joined": wanted}

    def _walkthrough(self, task: Task) -> Sequence[str]:
        made = [self._tasks[id] for id in self._ids(task)]
        asked = [turn for k, i in self._order(task, made) if (turn := made[k].turns[i]).asks]
        return [text for turn in asked for text in (*map(as_text, turn.calls), turn.answers[0])]

    def _ids(self, task: Task) -> tuple[str, ...]:
        theta: ToolTasksTheta = task.theta
        if missing := [id for id in theta.ids if id not in self._tasks]:
            raise ConfigError("env.options.data", self.options.data, f"it has no task {missing[0]!r}, which is played")
        return theta.ids

    def _order(self, task: Task, made: Sequence[ToolTask]) -> list[tuple[int, int]]:
        """(Which task, which of its turns), the turns of each in order, the tasks in turns drawn by the seed."""
        whose = np.repeat(np.arange(len(made)), [len(one.turns) for one in made])
        np.random.default_rng([task.seed, task.split == "eval", 0x70015]).shuffle(whose)
        seen = [0] * len(made)
        order: list[tuple[int, int]] = []
        for k in whose.tolist():
            order.append((k, seen[k]))
            seen[k] += 1
        return order

    def _task(self, split: Split, seed: int) -> Task:
        ids, joined = self._split[split], self.options.joined
        rng = np.random.default_rng([seed, split == "eval", 0x7A5C])
        first = seed % len(ids) if split == "eval" else int(rng.integers(len(ids)))
        others = [id for k, id in enumerate(ids) if k != first]
        drawn = [others[k] for k in rng.permutation(len(others))[: joined - 1].tolist()]
        theta = ToolTasksTheta(ids=(ids[first], *drawn))
        return Task(env=self.name, theta=theta, seed=seed, split=split, cell="all")

    def _splits(self) -> dict[Split, tuple[str, ...]]:
        every, held = tuple(self._tasks), self.options.held_out
        if unknown := [id for id in held if id not in self._tasks]:
            raise ConfigError("env.options.held_out", unknown[0], f"no task has this id; there are {every[0]!r}, ...")
        kept = set(held or every[-max(1, len(every) // 5) :])
        split: dict[Split, tuple[str, ...]] = {
            "train": tuple(id for id in every if id not in kept), "eval": tuple(id for id in every if id in kept),
        }  # fmt: skip
        if not split["train"]:
            raise ConfigError("env.options.data", self.options.data, "no task is left to train on; give more")
        least = min(map(len, split.values()))
        if self.options.joined > least:
            raise ConfigError(
                "env.options.joined", self.options.joined, f"a split has {least} tasks; join at most that"
            )
        return split

    def _check(self) -> None:
        """What the tasks ask of the judge, of the tools and of memory. Raises DataError."""
        known = {spec.name: spec for spec in self._specs}
        every = [turn.text for one in self._tasks.values() for turn in one.turns if turn.asks]
        others = every if self.options.joined > 1 else ()
        joined = frozenset(said for text in others for said in said_questions(text))
        for one in self._tasks.values():
            asked = [turn.text for turn in one.turns if turn.asks]
            for place, turn in enumerate(one.turns):
                if fault := self._fault(turn, asked, joined, known):
                    raise DataError(f"{self.options.data}: task {one.id!r}: turns[{place}].{fault}")

    def _fault(self, turn: Turn, asked: Sequence[str], others: frozenset[str], known: Mapping[str, Tool]) -> str:
        """What is wrong with a turn, from its field on; empty where nothing is."""
        judge = self.options.judge
        if not turn.asks and (repeats(turn.text, asked) or said_questions(turn.text) & others):
            return "text: it repeats what is asked, and memory, which may hold it, must not know: say it in other words"
        if turn.asks and not turn.answers and needs_answers(judge):
            return f"answers: none: the judge {judge!r} needs answers; give some, or a judge of your own"
        for call in turn.calls:
            if call.name not in known:
                return f"calls: there is no tool {call.name!r}; there are {', '.join(known)}"
            if problem := problem_of_call(call.arguments, known[call.name].parameters):
                return f"calls: {call.name}: {problem}"
        return ""


def _fingerprint(one: ToolTask) -> str:
    state = json.dumps(one.state, sort_keys=True, ensure_ascii=False)
    judged = (json.dumps(turn.raw, sort_keys=True, ensure_ascii=False) for turn in one.turns)
    return fingerprint([state, *(turn.text for turn in one.turns)], judged)


register("env", "tool_tasks", ToolTasks, ToolTasksOptions)
