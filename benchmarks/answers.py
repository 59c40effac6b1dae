"""What a language model answers from what is brought into view, on real text: one reader, many ways to choose the view.

python benchmarks/answers.py views             # what each row brings into view for each tested question
python benchmarks/answers.py read              # warm start on training streams, then answers
python benchmarks/answers.py read --reader zero --questions 60    # the same model before its warm start
python benchmarks/answers.py tell              # token F1 of what has been read so far, to results/answers/READER.json
python benchmarks/answers.py joint             # RL from the warm start: policy by F1, controller by evidence
python benchmarks/answers.py joint --frozen    # the same with the policy left as it was warm-started
for reader in joint frozen; do                 # what these two runs bring into view, answer and score
    for what in views read tell; do python benchmarks/answers.py $what --reader $reader; done
done

Tested: LoCoMo's dialogues 5 and 6 (conv-43, conv-44) without the adversarial questions, and timeqa's valid streams.
The archive holds everything and the read budget is 256 tokens for every row. The warm start sees LoCoMo's first four
dialogues and the training streams of timeqa, hotpotqa, 2wiki_qa and fairytaleqa; the controller that ships has never
seen LoCoMo. Questions are read in a drawn order, in all rows of a pass before the next question, and each (question,
view) once: a run that is stopped has a random sample, and goes on where it was. Of a joint run the row ``own`` is what
its own controller brings into view.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine

import memrl
from memrl.contracts.capabilities import asked_again
from memrl.contracts.config import ControllerConfig, MemoryConfig, TrainConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Observation, Say, Step, Task, Verdict, ViewLine, as_text
from memrl.envs.documents.tasks import DocumentsTasks
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent, build_controller, build_task_source
from memrl.training.line_files import read_lines
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "answers"
RUNS = ROOT / "runs" / "answers"
TESTED = {"locomo": ("conv-43", "conv-44"), "timeqa": ()}
TRAINED = ("locomo", "timeqa", "hotpotqa", "2wiki_qa", "fairytaleqa")
ANSWERABLE = {"locomo": ("multi_hop", "temporal", "open_domain", "single_hop"), "timeqa": ()}
MODEL: dict[str, Any] = {}
"""Knobs in which the reader differs from the recipe's."""
TOKENIZER = "smollm2-135m"
"""Counts the tokens in view."""
BUDGET = 256
RUN_NAMES = ("joint", "frozen")
"""Runs of ``joint``: both learn, or the controller alone."""
PASSES = (("none", "bm25_archive", "rrf", "shipped", "evidence"), ("bm25", "late_interaction", "window"))
"""Rows, by what is read first."""
OWN = "own"
ROWS = (*(row for rows in PASSES for row in rows), OWN)
BATCH = 40
"""Answers that are written to the file together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("views", "read", "joint", "tell"))
    parser.add_argument("--reader", default="warm", choices=("zero", "warm", *RUN_NAMES))
    parser.add_argument("--questions", type=int, default=10**6, help="how many to read, in the drawn order")
    parser.add_argument("--passes", type=int, default=len(PASSES))
    parser.add_argument("--steps", type=int, default=30, help="of the warm start, eight lessons each")
    parser.add_argument("--rl-steps", type=int, default=20, help="of joint")
    parser.add_argument("--frozen", action="store_true", help="joint: only the controller learns")
    options = parser.parse_args()
    torch.set_num_threads(1)
    RUNS.mkdir(parents=True, exist_ok=True)
    if options.what == "views":
        for name in TESTED:
            write_lines(views_file(name, options.reader), views(name, options.reader))
    elif options.what == "read":
        read(options.reader, options.questions, options.passes, options.steps)
    elif options.what == "joint":
        joint(options.steps, options.rl_steps, options.frozen)
    else:
        tell(options.reader, options.steps)


def training(warm_steps: int, **knobs: Any) -> TrainConfig:
    """The recipe on all training streams; no stream that is tested is among them."""
    return recipe(
        "documents",
        env={"options": {"data": TRAINED, "held_out": sum(TESTED.values(), ()), "questions": 8}},
        warm_start={"steps": warm_steps, "reuse": True},
        **{**MODEL, **knobs},
    )


def testing(name: str) -> TrainConfig:
    """Every answerable question of a tested set, asked at the end of its stream; an exact reader counts the tokens."""
    told = {"data": (name,), "held_out": TESTED[name], "categories": ANSWERABLE[name], "questions": 0}
    exact = {"name": "exact", "options": {"tokenizer": TOKENIZER}}
    return recipe("documents", env={"options": told}, **{**MODEL, "policy": exact, "warm_start": {"steps": 0}})


def views(name: str, reader: str) -> Iterator[dict[str, Any]]:
    """Of each tested question: what each row brings into view, and whether all of the evidence is in it."""
    config = testing(name)
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in (OWN,) if reader in RUN_NAMES else ROWS[:-1]:
        started = time.perf_counter()
        agent = seated(config, row, reader)
        source = agent.task_source
        assert isinstance(source, DocumentsTasks)
        tasks = [source.held_out(i) for i in range(source.num_tasks)]
        for i, group in enumerate(play(agent, tasks, [0, 0x4EAD], tries=1, greedy=True)):
            for step in group.episodes[0].steps:
                if step.verdict is not None:
                    told = found.setdefault((i, step.observation.id), _told(name, i, step))
                    told["views"][row] = [] if row == "none" else [line.text for line in step.view]
                    told["in_view"][row] = row != "none" and step.verdict.score == 1.0
        print(name, row, len(found), f"{time.perf_counter() - started:.0f} s", flush=True)
    yield from found.values()


def _told(name: str, task: int, step: Step) -> dict[str, Any]:
    assert step.verdict is not None
    about = {"set": name, "task": task, "id": step.observation.id, "category": step.verdict.category}
    return {**about, "question": step.observation.text, "views": {}, "in_view": {}}


def seated(config: TrainConfig, row: str, reader: str) -> Agent:
    """An agent that reads exactly, whose controller chooses the view as the row does."""
    if row == "window":
        rule = ControllerConfig(name="window", max_ops=8)
        memory = MemoryConfig(token_budget=BUDGET, read_budget=BUDGET, embedder=config.memory.embedder)
        config = dataclasses.replace(config, controller=rule, memory=memory)
    elif row == "bm25_archive":
        config = dataclasses.replace(config, controller=ControllerConfig(name="bm25_archive"))
    agent = build_agent(config)
    agent = dataclasses.replace(
        agent, policy=OracleReader({agent.task_source.name: agent.task_source}), read_budget=BUDGET
    )
    if row == OWN:
        agent.controller.load_state_dict(load_run(RUNS / reader)[1]["controller"])
    if row in ("none", "shipped", "window", "bm25_archive", OWN):
        return dataclasses.replace(agent, max_reads=0) if row == "none" else agent
    assert agent.offers is not None
    rule = dataclasses.replace(
        config, controller=dataclasses.replace(config.controller, name=row, options={}, start="")
    )
    made = build_controller(row, rule, agent.table, agent.task_source, agent.count_tokens, names=agent.offers.names)
    return dataclasses.replace(agent, controller=made)


class Out:
    """Progress on standard output."""

    def __init__(self) -> None:
        self.started, self.done = time.perf_counter(), 0

    def progress(self, title: str, total: int) -> Any:
        def tick() -> None:
            self.done += 1
            print(f"{title}: {self.done} of {total}, {time.perf_counter() - self.started:.0f} s", flush=True)

        return tick

    def say(self, text: str) -> None:
        print(text, flush=True)


def reader_of(name: str, steps: int) -> Any:
    """The language model before its warm start ("zero"), after it ("warm"), or as a run of ``joint`` left it."""
    config = training(steps)
    agent = build_agent(config)
    if name != "zero":
        warm_up(agent, config, Out())
    if name == "joint":
        agent.policy.load_state_dict(load_run(RUNS / name)[1]["policy"])
    return agent.policy


def read(name: str, most: int, passes: int, steps: int) -> None:
    """Answers of one reader to all views, appended to its file as they come."""
    asked = questions(name)[:most]
    path = answers_file(name, steps)
    known = {(one["set"], one["id"], one["view"]) for one in read_lines(path)}
    sources = {one: build_task_source(testing(one).env) for one in TESTED}
    policy = reader_of(name, steps)
    wanted: dict[tuple[str, str, str], Any] = {}
    for rows in ((OWN,), *PASSES[:passes]):
        for one in asked:
            for row in (row for row in rows if row in one["views"]):
                key = (one["set"], one["id"], hashed(one["views"][row]))
                if key not in known and key not in wanted:
                    wanted[key] = _request(sources[one["set"]], one, row)
    keys = list(wanted)
    for i in range(0, len(keys), BATCH):
        batch = keys[i : i + BATCH]
        started = time.perf_counter()
        decisions = policy.sample([wanted[key] for key in batch])
        tokens = sum(len(decision.prompt_ids) for decision in decisions)
        rate = tokens / (time.perf_counter() - started)
        with path.open("a", encoding="utf-8") as file:
            for key, decision in zip(batch, decisions, strict=True):
                told = {**dict(zip(("set", "id", "view"), key, strict=True)), "answer": as_text(decision.action)}
                file.write(json.dumps(told | {"tokens": len(decision.prompt_ids)}) + "\n")
        print(f"{name}: {i + len(batch)} of {len(keys)}, {rate:.0f} tokens/s", flush=True)


def joint(steps: int, rl_steps: int, frozen: bool) -> None:
    """RL from the warm start: the policy by F1, the controller by evidence in view, on training streams only."""
    tasks = {"tasks": 0, "practice_tasks": 2} if frozen else {"tasks": 1, "practice_tasks": 1}
    rollout, out = {"group_size": 4, **tasks}, str(RUNS / RUN_NAMES[frozen])
    config = training(steps, steps=rl_steps, checkpoint_every=1, out=out, rollout=rollout)
    memrl.train(dataclasses.replace(config, policy=dataclasses.replace(config.policy, trained=not frozen)))


def views_file(name: str, reader: str) -> Path:
    """Where views of a tested set are kept: of all rows, or of a run's own controller."""
    return RUNS / (f"views-{reader}-{name}.jsonl" if reader in RUN_NAMES else f"views-{name}.jsonl")


def questions(reader: str) -> list[dict[str, Any]]:
    """All tested questions with their views, in the drawn order."""
    found = [one for name in TESTED for one in read_lines(views_file(name, ""))]
    own = {(one["set"], one["id"]): one for name in TESTED for one in read_lines(views_file(name, reader))}
    for one in found if reader in RUN_NAMES else ():
        for what in ("views", "in_view"):
            one[what] |= own[one["set"], one["id"]][what]
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def _request(source: Any, one: dict[str, Any], row: str) -> Any:
    """What play asks a language model over that view."""
    question = Observation(id=one["id"], step=0, content=one["question"], wants_action=True, writable=False)
    view = [ViewLine(line, "", "token", "") for line in one["views"][row]]
    return asked_again(source, source.held_out(one["task"]), question, view)


def hashed(view: Sequence[str]) -> str:
    """A short name of a view."""
    return hashlib.sha256(json.dumps(list(view)).encode()).hexdigest()[:16]


def judged(source: DocumentsTasks, task: Task, answers: dict[str, str]) -> dict[str, Verdict]:
    """How the environment judges answers to some of a task's questions, by question."""
    env = source.make(task)
    observation: Observation | None = env.start()
    found: dict[str, Verdict] = {}
    while observation is not None:
        outcome = env.step(Say(answers[observation.id]) if observation.id in answers else None)
        if observation.id in answers and outcome.verdict is not None:
            found[observation.id] = outcome.verdict
        observation = outcome.next
    return found


def tell(name: str, steps: int) -> None:
    """Scores of one reader by question and row, of what has been answered so far."""
    answers = read_lines(answers_file(name, steps))
    asked = questions(name)
    scores = scored(asked, {(one["set"], one["id"], one["view"]): one["answer"] for one in answers})
    told: list[dict[str, Any]] = []
    for one in asked:
        if mine := scores.get((one["set"], one["id"])):
            kept = {row: int(one["in_view"][row]) for row in mine}
            told.append({"set": one["set"], "category": one["category"], "id": one["id"], "f1": mine, "in_view": kept})
    tokens = sum(one["tokens"] for one in answers)
    about: dict[str, Any] = {"reader": name, "warm_steps": steps, "asked": len(asked), "tokens": tokens}
    if (RUNS / name / "metrics.jsonl").exists():
        curve, config = read_lines(RUNS / name / "metrics.jsonl"), load_run(RUNS / name)[0]
        sampled = config.rollout.tasks * config.rollout.group_size * config.env.options["questions"]
        about["run"] = {"steps": len(curve), "answers": sampled * len(curve), "curve": curve}
    text = json.dumps({**about, "machine": machine(), "questions": []}, indent=1)
    rows = ",\n  ".join(json.dumps(one) for one in told)
    text = text.replace('"questions": []', f'"questions": [\n  {rows}\n ]')
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def scored(asked: Sequence[dict[str, Any]], answers: dict[tuple[str, str, str], str]) -> dict[Any, dict[str, float]]:
    """(Set, question) -> row -> score of the answer over the row's view, where there is one."""
    sources: dict[str, Any] = {name: build_task_source(testing(name).env) for name in TESTED}
    found: dict[Any, dict[str, float]] = {}
    for row in ROWS:
        by_task: dict[tuple[str, int], dict[str, str]] = {}
        for one in (one for one in asked if row in one["views"]):
            key = (one["set"], one["id"], hashed(one["views"][row]))
            if key in answers:
                by_task.setdefault((one["set"], one["task"]), {})[one["id"]] = answers[key]
        for (name, task), mine in by_task.items():
            for id, verdict in judged(sources[name], sources[name].held_out(task), mine).items():
                found.setdefault((name, id), {})[row] = round(verdict.score, 4)
    return found


def answers_file(name: str, steps: int) -> Path:
    """Where a reader's answers are kept; a frozen one is the warm-started one."""
    return RUNS / f"answers-{'warm' if name == 'frozen' else name}-{steps}.jsonl"


def write_lines(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """One record a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


if __name__ == "__main__":
    main()
