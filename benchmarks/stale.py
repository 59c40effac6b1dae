"""Stale facts in view: how often a reader shows only an outdated version of what is asked for.

python benchmarks/stale.py train plain 0    # on training streams of these two sets alone, to runs/stale-plain-0
python benchmarks/stale.py train costly 0   # the same where an outdated version in view costs, and is told by its age
python benchmarks/stale.py                  # held-out streams: what ships, these by seed, unlearned rows
python benchmarks/stale.py look             # training streams that "train" leaves out, to choose by; writes nothing

Both sets ask for the same fact at several times, each question with evidence of its own: sgd_state for what was settled
in the most recent conversation on a subject and in the last but one, timeqa for who or what it was from one year to
another. So the accepted evidence of one question is an outdated version for a later one, where they share no answer
and the evidence is not accepted for both. Figures go to results/stale.json.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from machine import machine
from reading import BUDGETS, ROWS, with_row

import memrl
from memrl.contracts.config_io import changed
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode
from memrl.envs.documents.jsonl import save
from memrl.envs.documents.library import Library
from memrl.envs.documents.options import DocumentsOptions
from memrl.envs.documents.records import Question, Stream
from memrl.envs.documents.sources import load_set
from memrl.envs.documents.tasks import DocumentsTasks
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.run_folder import is_run, load_run
from memrl.training.start import started_config

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parents[1] / "runs"
SETS = ("sgd_state", "timeqa")
STEPS = 12
OPTIONS = {"width": 0}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "costly": {"credit": {"options": {"astray": 0.5}}, "controller": {"offers_options": {"story": True}}},
}
"""Ways to train."""
LEFT_OUT = {"sgd_state": 2, "timeqa": 5}
"""Training streams of each set, the last ones, that "train" does not see."""
CURRENT, OUTDATED, ANOTHER, NEITHER = "c", "o", "a", "-"
"""What is in view: all evidence of an accepted set; else that of an older version; else of a newer one; else none."""
_SETTLED = re.compile(r"In the (?P<when>.*?) conversation about this: (?P<fact>.*)", flags=re.S)

Versions = dict[str, tuple[list[frozenset[str]], list[frozenset[str]]]]
"""Question id -> evidence sets of its older versions and of its newer ones."""


def fact_and_time(question: Question) -> tuple[str, int]:
    """What a question asks for, the same for all its versions, and which version: later ones have higher numbers."""
    if found := _SETTLED.match(question.question):
        return found["fact"], int(found["when"] == "most recent")
    fact, _, number = question.id.rpartition("_")
    return fact, int(number)


def versions(questions: Sequence[Question]) -> Versions:
    """The other versions of each question of a stream that differ from it in answer and in evidence."""
    by_fact: dict[str, list[tuple[int, Question]]] = {}
    for one in questions:
        fact, time = fact_and_time(one)
        by_fact.setdefault(fact, []).append((time, one))
    found: Versions = {}
    for same in by_fact.values():
        for time, one in same:
            others = [(at, other) for at, other in same if not set(one.answers) & set(other.answers)]
            older = [other for at, other in others if at < time]
            newer = [other for at, other in others if at > time]
            found[one.id] = (_apart(older, one), _apart(newer, one))
    return found


def _apart(others: Iterable[Question], one: Question) -> list[frozenset[str]]:
    """Accepted sets of other questions without a unit that is accepted for this one."""
    own = {id for ids in one.supports for id in ids}
    return [frozenset(ids) for other in others for ids in other.supports if not own & set(ids)]


def in_view(question: Question, other: tuple[list[frozenset[str]], list[frozenset[str]]], seen: frozenset[str]) -> str:
    """One of ``CURRENT``, ``OUTDATED``, ``ANOTHER``, ``NEITHER``."""
    if any(set(ids) <= seen for ids in question.supports):
        return CURRENT
    older, newer = (any(ids <= seen for ids in sets) for sets in other)
    return OUTDATED if older else ANOTHER if newer else NEITHER


def told(agent: Agent, library: Library, name: str) -> tuple[str, str]:
    """Of each question that has another version, in the order of streams: what was in view, and which others it has."""
    source = agent.task_source
    assert isinstance(source, DocumentsTasks)
    tasks = [source.held_out(i) for i in range(source.num_tasks)]
    streams = {part.stream.id: part.stream for part in library.shelves[name].eval}
    views, has = [], []
    for group in play(agent, tasks, [0, 0x4EAD], tries=1, greedy=True):
        [id] = group.task.theta.streams
        seen, others = _views(group.episodes[0]), versions(streams[id].questions)
        for question in streams[id].questions:
            older, newer = others[question.id]
            if older or newer:
                views.append(in_view(question, others[question.id], seen[question.id]))
                has.append(OUTDATED if older else ANOTHER)
    return "".join(views), "".join(has)


def _views(episode: Episode) -> dict[str, frozenset[str]]:
    """Question id -> observations in view when it was asked."""
    return {
        step.observation.id.removeprefix("q:"): frozenset(line.observation_id for line in step.view)
        for step in episode.steps
        if step.verdict is not None
    }


def _ids(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a set's streams for training, and for evaluation."""
    shelf = Library(DocumentsOptions(data=(name,))).shelves[name]
    return tuple(part.stream.id for part in shelf.train), tuple(part.stream.id for part in shelf.eval)


def train(kind: str, seed: int) -> None:
    """The recipe ``reading`` on the two sets, by reward for evidence alone and from chance, with no prior ranking."""
    kept: list[str] = []
    for name in SETS:
        training, evaluation = _ids(name)
        kept += [*training[-LEFT_OUT[name] :], *evaluation]
    config = recipe(
        "reading", seed=seed, steps=STEPS, checkpoint_every=STEPS, out=str(RUNS / f"stale-{kind}-{seed}"),
        env={"options": {"data": [str(labelled(name)) for name in SETS], "held_out": tuple(kept), "questions": 40}},
        curriculum={"name": "target"}, controller={"options": OPTIONS},
    )  # fmt: skip
    memrl.train(changed(config, KINDS[kind]))


def labelled(name: str) -> Path:
    """A file of a set's streams in which each question names the evidence of its older versions as outdated."""
    path = RUNS / "stale-streams" / f"{name}.jsonl"
    if not path.exists():
        found = load_set(name)
        save([_labelled(stream) for stream in (*found.train, *(found.valid or ()))], path)
    return path


def _labelled(stream: Stream) -> Stream:
    order = {unit.id: place for place, unit in enumerate(stream.units)}
    older = {id: sets for id, (sets, _) in versions(stream.questions).items()}
    told = [
        replace(one, outdated=tuple(dict.fromkeys(tuple(sorted(ids, key=order.__getitem__)) for ids in older[one.id])))
        for one in stream.questions
    ]
    return replace(stream, questions=tuple(told))


def measured(name: str, look: bool) -> dict[str, Any]:
    """Budget -> row -> a letter a question; under "has", which other versions each question has."""
    options: dict[str, Any] = {"data": (name,)}
    if look:
        options["held_out"] = _ids(name)[0][-LEFT_OUT[name] :]
    config = replace(recipe("reading"), controller=started_config())
    config = changed(config, {"env": {"options": options}, "controller": {"trained": False}})
    agent, library = build_agent(config), Library(DocumentsOptions(**options))
    rows: dict[str, Agent] = {row: with_row(agent, config, row, 0) for row in ("learned", *ROWS)}
    for kind in KINDS:
        for run in sorted(RUNS.glob(f"stale-{kind}-*")):
            if is_run(run):
                rows[run.name.removeprefix("stale-")] = _own(run, options)
    found: dict[str, Any] = {}
    for budget in BUDGETS:
        for row, reader in rows.items():
            views, has = told(replace(reader, read_budget=budget), library, name)
            found.setdefault("has", has)
            found.setdefault(str(budget), {})[row] = views
            late = [view for view, other in zip(views, has, strict=True) if other == OUTDATED]
            shares = {letter: round(late.count(letter) / len(late), 3) for letter in (CURRENT, OUTDATED)}
            wrong = (views.count(OUTDATED) + views.count(ANOTHER)) / len(views)
            every = round(views.count(CURRENT) / len(views), 3)
            print(name, budget, row, len(late), shares, "all", len(views), every, round(wrong, 3), flush=True)
    return found


def _own(run: Path, options: dict[str, Any]) -> Agent:
    """With the controller of ``train``, on other streams."""
    config, parts = load_run(run)
    agent = build_agent(replace(config, env=replace(config.env, options=options)))
    agent.controller.load_state_dict(parts["controller"])
    return agent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("train", "look"))
    parser.add_argument("kind", nargs="?", choices=tuple(KINDS), default="plain")
    parser.add_argument("seed", nargs="?", type=int, default=0)
    options = parser.parse_args()
    what = options.what
    torch.set_num_threads(1)
    if what == "train":
        train(options.kind, options.seed)
        return
    sets = {name: measured(name, what == "look") for name in SETS}
    if what is None:
        text = json.dumps({"machine": machine(), "steps": STEPS, "sets": sets}, indent=1)
        (RESULTS / "stale.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
