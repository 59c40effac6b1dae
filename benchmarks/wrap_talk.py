r"""A conversation of 300 turns told to a wrapped model, and its questions: what is in view, and what the model answers.

python benchmarks/wrap_talk.py                     # evidence for every question, answers to 24 of them; goes on
python benchmarks/wrap_talk.py --answers 60
python benchmarks/wrap_talk.py --model runs/reader --name reader --answers 200

A reader, taught on other streams by the warm start alone; the controller stays the one that ships:

memrl train --recipe documents --steps 0 --out runs/reader --set evaluation.rows=[none] --set evaluation.episodes=1 \
    --set 'env.options.data=[timeqa,hotpotqa,2wiki_qa,fairytaleqa,friendsqa]' --set warm_start.steps=100

The conversations are the first 300 turns of LoCoMo's dialogues; asked is what rests on these turns alone (no
adversarial questions). Every row reads within the same 256 tokens, dates and list marks included, through the same
prompt: nothing, the newest turns, BM25, embeddings (cosine of MiniLM), their fused ranks, and wrap as it comes. Counted
is whether all of a question's evidence is in view; of the answers, token F1 with the gold answer, of questions in a
drawn order, each in all rows before the next. Intervals are by bootstrap over questions, those of differences paired.
Results: benchmarks/results/wrap_talk/NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

import memrl
from memrl.agent.engine import Engine
from memrl.agent.memory_agent import MemoryAgent
from memrl.agent.ram import RamHome
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.controllers.ranked import MEASURES, Ranked

RESULTS = Path(__file__).parent / "results" / "wrap_talk"
DATA = Path(os.environ.get("MEMRL_DATA", Path(__file__).parents[2] / "shared" / "data"))
TURNS, BUDGET = 300, 256
FEWEST = 12
"""Questions below which no mean is told."""
ROWS = ("none", "window", "bm25", "dense", "rrf", "wrap")


class Nothing(Chooser):
    """Brings nothing into view."""

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return [OpChoice(0, 0.0) for _ in requests]


def conversation(dialogue: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first turns as arguments of ``observe``, and the questions that rest on them alone."""
    talk = dialogue["conversation"]
    names = sorted((key for key in talk if re.fullmatch(r"session_\d+", key)), key=lambda key: int(key.split("_")[1]))
    turns = [
        {
            "text": f"{turn['speaker']}: {turn['text']}",
            "time": datetime.strptime(talk[f"{name}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC),
            "source": turn["speaker"],
            "metadata": {"turn": turn["dia_id"]},
        }
        for name in names
        for turn in talk[name]
    ][:TURNS]
    known = {turn["metadata"]["turn"] for turn in turns}
    asked = [
        {"question": one["question"], "answer": str(one["answer"]), "evidence": one["evidence"]}
        for one in dialogue["qa"]
        if one["category"] != 5 and one["evidence"] and set(one["evidence"]) <= known
    ]
    return turns, asked


def agents(turns: list[dict[str, Any]], engine: Engine, end: float) -> dict[str, MemoryAgent]:
    """A row each; all but the window share one memory."""
    parts = engine.agent
    whole = MemoryAgent(engine, RamHome(parts), clock=lambda: end)
    kept = whole.observe_many(turns)
    assert all(one.kept or one.duplicate for one in kept)
    names = parts.offers.names if parts.offers is not None else ()

    def by(controller: Any) -> MemoryAgent:
        own = MemoryAgent(
            replace(engine, agent=replace(parts, controller=controller)), RamHome(parts), clock=lambda: end
        )
        own._keeping, own._intake = whole._keeping, whole._intake
        return own

    ranked = {row: by(Ranked(names.index(MEASURES[row]))) for row in ("bm25", "dense", "rrf")}
    window = MemoryAgent(replace(ranked["bm25"].engine), RamHome(parts), clock=lambda: end)
    cost = 0
    newest: list[dict[str, Any]] = []
    for turn in reversed(turns):
        cost += parts.count_tokens(f"- {turn['text']} (2026-01-01)\n")
        if cost > BUDGET:
            break
        newest.insert(0, turn)
    window.observe_many(newest)
    return {"none": by(Nothing()), "window": window, **ranked, "wrap": whole}


def view_of(agent: MemoryAgent, question: str) -> Any:
    """What is in view for a question, without an answer."""
    answering = agent.stream(question)
    answering.close()
    return answering.used


def words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if word not in ("a", "an", "the")]


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall of words, as in SQuAD (Rajpurkar et al. 2016)."""
    shared = sum((Counter(words(answer)) & Counter(words(gold))).values())
    return 0.0 if not shared else 2 * shared / (len(words(answer)) + len(words(gold)))


def interval(values: Sequence[float]) -> list[float]:
    """Mean and its 95 % interval by bootstrap."""
    own = np.asarray(values, dtype=np.float64)
    means = own[np.random.default_rng(0).integers(len(own), size=(4000, len(own)))].mean(1)
    return [round(float(x), 3) for x in (own.mean(), *np.quantile(means, (0.025, 0.975)))]


def seen(done: dict[str, Any], rows: dict[str, MemoryAgent], number: int, asked: list[dict[str, Any]]) -> None:
    """Evidence in view, question by question."""
    for name, agent in rows.items():
        count, most, found = agent.engine.agent.count_tokens, 0, []
        for one in asked:
            used = view_of(agent, one["question"])
            turns = {agent.get(line.entry_id).details.metadata["turn"] for line in used}  # pyright: ignore[reportOptionalMemberAccess]
            found.append(int(set(one["evidence"]) <= turns))
            most = max(most, sum(count(f"- {line.text}\n") for line in used))
        done.setdefault("in_view", {}).setdefault(name, []).extend(found)
        done.setdefault("most_tokens", {})[name] = max(most, done.get("most_tokens", {}).get(name, 0))
        print(number, name, round(sum(found) / len(found), 3), flush=True)


def tables(done: dict[str, Any]) -> dict[str, Any]:
    """Means with intervals, and paired differences of wrap and every other row."""
    told: dict[str, Any] = {}
    for measure in ("in_view", "f1"):
        rows = done.get(measure, {})
        least = min(map(len, rows.values()), default=0)
        whole = {name: values[:least] for name, values in rows.items()} if least >= FEWEST else {}
        told[measure] = {name: interval(values) for name, values in whole.items()}
        told[f"{measure}_wrap_less"] = {
            name: interval([a - b for a, b in zip(whole["wrap"], values, strict=True)])
            for name, values in whole.items()
            if name != "wrap"
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--name", default="smollm2-135m")
    parser.add_argument("--dialogues", type=int, default=6)
    parser.add_argument("--answers", type=int, default=24, help="questions that are answered, in a drawn order")
    options = parser.parse_args()
    path = RESULTS / f"{options.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    done |= {"machine": machine(), "read_tokens": BUDGET, "turns": TURNS, "model": options.name}
    engine = memrl.wrap(options.model, read_tokens=BUDGET, max_new_tokens=32).engine
    dialogues = json.loads((DATA / "locomo" / "locomo6.json").read_text(encoding="utf-8"))[: options.dialogues]
    rows: list[dict[str, MemoryAgent]] = []
    questions: list[tuple[int, dict[str, Any]]] = []
    for number, dialogue in enumerate(dialogues):
        turns, asked = conversation(dialogue)
        rows.append(agents(turns, engine, turns[-1]["time"].timestamp()))
        questions += [(number, one) for one in asked]
        if number >= done.get("dialogues", 0):
            seen(done, rows[number], number, asked)
            done["dialogues"] = number + 1
            write(path, done)
    order = np.random.default_rng(0).permutation(len(questions))
    for i, (number, one) in enumerate(questions[j] for j in order[: options.answers]):
        for name in ROWS:
            answers = done.setdefault("answers", {}).setdefault(name, [])
            if len(answers) <= i:
                answers.append(rows[number][name].ask(one["question"]).text)
                done.setdefault("f1", {}).setdefault(name, []).append(token_f1(answers[-1], one["answer"]))
        write(path, done)
        if i % 10 == 9:
            print(i + 1, {name: round(sum(done["f1"][name]) / len(done["f1"][name]), 3) for name in ROWS}, flush=True)
    done["peak_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    write(path, done)
    print(json.dumps(tables(done), indent=1))


def write(path: Path, done: dict[str, Any]) -> None:
    """What is known so far, with its tables: a run that is stopped has measured something."""
    path.write_text(json.dumps(done | {"tables": tables(done)}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
