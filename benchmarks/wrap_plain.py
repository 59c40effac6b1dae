"""Plain facts told to a wrapped model, plain questions asked: how many it gets right, and how many answers are blank.

python benchmarks/wrap_plain.py                    # SmolLM2-135M; goes on where it was stopped
python benchmarks/wrap_plain.py --model DIR --name other

Forty facts and forty questions, written for this and used for nothing else; the same questions in other words; the
plain questions again after 2,000 turns of other people's dialogues (LoCoMo). An answer is right where it holds the
expected words, case aside; a fact is in view where its line was among those that the model read. Results:
benchmarks/results/wrap_plain/NAME.json, with every answer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from machine import machine

import memrl

RESULTS = Path(__file__).parent / "results" / "wrap_plain"
DATA = Path(os.environ.get("MEMRL_DATA", Path(__file__).parents[2] / "shared" / "data"))
FACTS = Path(__file__).parent / "wrap_facts.txt"
FURTHER = 2000


class Plain(NamedTuple):
    """A fact, what is asked about it in two ways, and the words that a right answer holds (several: any of them)."""

    fact: str
    question: str
    otherwise: str
    expected: tuple[str, ...]


def plain_facts() -> list[Plain]:
    """One a line of ``wrap_facts.txt``: fact, question, question in other words, expected words."""
    rows = [line.split(" | ") for line in FACTS.read_text(encoding="utf-8").splitlines()]
    return [Plain(fact, question, otherwise, tuple(words.split(", "))) for fact, question, otherwise, words in rows]


def turns(most: int) -> list[str]:
    """What people say to each other in LoCoMo's dialogues."""
    dialogues = json.loads((DATA / "locomo" / "locomo6.json").read_text(encoding="utf-8"))
    said = (
        f"{turn['speaker']}: {turn['text']}"
        for dialogue in dialogues
        for key, session in dialogue["conversation"].items()
        if re.fullmatch(r"session_\d+", key)
        for turn in session
    )
    return list(islice(said, most))


def asked(agent: memrl.MemoryAgent, plain: Plain, question: str) -> dict[str, Any]:
    """One answer, judged."""
    started = time.perf_counter()
    answer = agent.ask(question)
    return {
        "question": question,
        "answer": answer.text,
        "right": right(plain, answer.text),
        "in_view": any(plain.fact in line.text for line in answer.used),
        "first": bool(answer.used) and plain.fact in answer.used[-1].text,
        "blank": not answer.text.strip(),
        "lines": len(answer.used),
        "prompt_tokens": answer.prompt_tokens,
        "seconds": round(time.perf_counter() - started, 2),
    }


def right(plain: Plain, answer: str) -> bool:
    """Whether an answer has one of the expected words, or one that begins so."""
    return any(re.search(rf"(?<!\w){re.escape(word)}", answer.casefold()) for word in plain.expected)


def counted(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = ("right", "in_view", "first", "blank")
    return {kind: sum(row[kind] for row in rows) for kind in kinds} | {"questions": len(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--name", default="smollm2-135m")
    parser.add_argument("--read-tokens", type=int, default=256)
    options = parser.parse_args()
    path = RESULTS / f"{options.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    agent = memrl.wrap(options.model, read_tokens=options.read_tokens)
    facts = plain_facts()
    kept = [agent.observe(plain.fact).kept for plain in facts]
    done |= {"facts_kept": sum(kept), "read_tokens": options.read_tokens, "machine": machine()}
    parts = (("plain", "question"), ("paraphrased", "otherwise"), ("after_more", "question"))
    for part, asks in parts:
        if part == "after_more":
            done["further_kept"] = sum(agent.observe(turn).kept for turn in turns(FURTHER))
        rows = done.setdefault(part, {"rows": []})["rows"]
        for plain, row in zip(facts, rows, strict=False):
            row["right"] = right(plain, row["answer"])
        done[part] |= counted(rows)
        for plain in facts[len(rows) :]:
            rows.append(asked(agent, plain, getattr(plain, asks)))
            done[part] |= counted(rows)
            path.write_text(json.dumps(done, indent=1), encoding="utf-8")
        path.write_text(json.dumps(done, indent=1), encoding="utf-8")
        print(part, {key: value for key, value in done[part].items() if key != "rows"}, flush=True)


if __name__ == "__main__":
    main()
