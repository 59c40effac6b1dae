"""Plain facts told to a wrapped model, plain questions asked: how many it gets right, and how many answers are blank.

python benchmarks/wrap_plain.py                    # SmolLM2-135M; goes on where it was stopped
python benchmarks/wrap_plain.py --model DIR --name other

Forty facts and forty questions, written for this and used for nothing else; the same questions in other words; the plain
questions again after 2,000 turns of other people's dialogues (LoCoMo). An answer is right where it holds the expected
words, case aside; a fact is in view where its line was among those that the model read. Results:
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
FURTHER = 2000


class Plain(NamedTuple):
    """A fact, what is asked about it in two ways, and the words that a right answer holds (several: any of them)."""

    fact: str
    question: str
    otherwise: str
    expected: tuple[str, ...]


FACTS = (
    Plain("My name is Dara.", "What is my name?", "Who am I?", ("dara",)),
    Plain("I live in Ghent.", "Where do I live?", "In which town is my home?", ("ghent",)),
    Plain("My brother Olaf is a baker.", "What is Olaf's job?", "How does my brother earn his money?", ("baker", "bak")),
    Plain("The kettle is in the cellar.", "Where is the kettle?", "In which place can I find the kettle?", ("cellar",)),
    Plain("My flight leaves on Saturday at 6:20.", "When does my flight leave?", "At what time do I take off?",
          ("6:20", "saturday")),
    Plain("I am afraid of spiders.", "What am I afraid of?", "Which animal frightens me?", ("spider",)),
    Plain("Our cat is named Pepper.", "What is our cat named?", "How do we call our cat?", ("pepper",)),
    Plain("The code of the garage is 7731.", "What is the code of the garage?", "Which number opens the garage?",
          ("7731",)),
    Plain("My wife plays the violin.", "What does my wife play?", "Which instrument can my wife play?", ("violin",)),
    Plain("Nina moved to Oslo last spring.", "Where did Nina move to?", "Which city does Nina live in now?", ("oslo",)),
    Plain("The bakery opens at half past six.", "When does the bakery open?", "From what time can I buy bread there?",
          ("half past six", "6:30", "six")),
    Plain("I take two sugars in my tea.", "How many sugars do I take in my tea?", "How sweet do I like my tea?",
          ("two", "2")),
    Plain("My grandfather was a fisherman.", "What was my grandfather?", "What work did my grandfather do?", ("fisher",)),
    Plain("The blue folder holds the contracts.", "What does the blue folder hold?", "Which papers are in the blue folder?",
          ("contract",)),
    Plain("My daughter goes to school in Rue Verte.", "Where does my daughter go to school?",
          "In which street is my daughter's school?", ("rue verte",)),
    Plain("Felix owes me forty pounds.", "How much does Felix owe me?", "What is Felix's debt to me?", ("forty", "40")),
    Plain("The hotel in Rome is called Aurora.", "What is the hotel in Rome called?", "Where are we staying in Rome?",
          ("aurora",)),
    Plain("I started my new job in October.", "When did I start my new job?", "In which month did I change jobs?",
          ("october",)),
    Plain("The printer needs black ink.", "What does the printer need?", "What must I buy for the printer?", ("ink",)),
    Plain("My favourite dish is lasagna.", "What is my favourite dish?", "What do I like to eat most?", ("lasagna",)),
    Plain("Our neighbour is called Mr Petersen.", "What is our neighbour called?", "Who lives next door?", ("petersen",)),
    Plain("The piano was tuned in March.", "When was the piano tuned?", "In which month did somebody tune the piano?",
          ("march",)),
    Plain("I wear glasses for reading.", "What do I wear for reading?", "What helps me to read?", ("glasses",)),
    Plain("The boat is moored at pier nine.", "Where is the boat moored?", "At which pier does the boat lie?",
          ("nine", "9")),
    Plain("My cousin Irma breeds goats.", "What does Irma breed?", "Which animals does my cousin keep?", ("goat",)),
    Plain("The insurance costs 310 euros a year.", "How much does the insurance cost?", "What do I pay for insurance?",
          ("310",)),
    Plain("I left my umbrella on the tram.", "Where did I leave my umbrella?", "In what did I forget my umbrella?",
          ("tram",)),
    Plain("The concert is on the 14th of June.", "When is the concert?", "On which date do we hear the concert?",
          ("june", "14")),
    Plain("My teacher in primary school was Mrs Quill.", "Who was my teacher in primary school?",
          "Who taught me as a small child?", ("quill",)),
    Plain("We painted the kitchen yellow.", "Which colour did we paint the kitchen?", "What colour are the kitchen walls?",
          ("yellow",)),
    Plain("Victor studies chemistry in Graz.", "What does Victor study?", "Which subject is Victor learning?",
          ("chemistry",)),
    Plain("The spare tyre is in the boot.", "Where is the spare tyre?", "In which place is the extra tyre?", ("boot",)),
    Plain("I have been a vegetarian for eight years.", "How long have I been a vegetarian?",
          "For how many years have I eaten no meat?", ("eight", "8")),
    Plain("My bicycle was stolen in front of the station.", "Where was my bicycle stolen?",
          "At what place did I lose my bicycle to a thief?", ("station",)),
    Plain("Sofia collects old maps.", "What does Sofia collect?", "What is Sofia's hobby?", ("map",)),
    Plain("The lease ends in 2031.", "When does the lease end?", "In which year is the lease over?", ("2031",)),
    Plain("I sleep badly when the moon is full.", "When do I sleep badly?", "What keeps me awake at night?", ("moon",)),
    Plain("The honey comes from Slovenia.", "Where does the honey come from?", "In which country was the honey made?",
          ("slovenia",)),
    Plain("Theo is married to Ruth.", "Who is Theo married to?", "What is the name of Theo's wife?", ("ruth",)),
    Plain("The recycling is collected every Wednesday.", "When is the recycling collected?",
          "On which day do they take the recycling?", ("wednesday",)),
)  # fmt: skip


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
    kept = [agent.observe(plain.fact).kept for plain in FACTS]
    done |= {"facts_kept": sum(kept), "read_tokens": options.read_tokens, "machine": machine()}
    parts = (("plain", "question"), ("paraphrased", "otherwise"), ("after_more", "question"))
    for part, asks in parts:
        if part == "after_more":
            done["further_kept"] = sum(agent.observe(turn).kept for turn in turns(FURTHER))
        rows = done.setdefault(part, {"rows": []})["rows"]
        for plain, row in zip(FACTS, rows, strict=False):
            row["right"] = right(plain, row["answer"])
        done[part] |= counted(rows)
        for plain in FACTS[len(rows) :]:
            rows.append(asked(agent, plain, getattr(plain, asks)))
            done[part] |= counted(rows)
            path.write_text(json.dumps(done, indent=1), encoding="utf-8")
        path.write_text(json.dumps(done, indent=1), encoding="utf-8")
        print(part, {key: value for key, value in done[part].items() if key != "rows"}, flush=True)


if __name__ == "__main__":
    main()
