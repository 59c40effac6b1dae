"""Tiny files in the official forms of public data sets, in words of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OAK = ["Old Oak is a tree in Ostwick.", "It was planted by Edda Moor."]
MOOR = ["Edda Moor was a gardener.", "", "She was born in Tarn."]
ELM = ["Elm Row is a street.", "It has nine houses."]


def hotpot(id: str, facts: list[list[Any]]) -> dict[str, Any]:
    return {
        "_id": id,
        "type": "bridge",
        "question": f"Where was the planter of Old Oak born ({id})?",
        "answer": "Tarn",
        "context": [["Old Oak", OAK], ["Edda Moor", MOOR], ["Elm Row", ELM]],
        "supporting_facts": facts,
    }


FACTS = [["Old Oak", 1], ["Edda Moor", 2]]
HOTPOT = [hotpot("x1", FACTS), hotpot("x2", [["Old Oak", 9], ["Edda Moor", 2]]), hotpot("x3", [["Nobody", 0]])]


def as_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """HotpotQA's rows as the hub stores them: columns in place of pairs."""
    return [
        {
            **{"id" if name == "_id" else name: value for name, value in row.items()},
            "context": {"title": [t for t, _ in row["context"]], "sentences": [s for _, s in row["context"]]},
            "supporting_facts": {
                "title": [t for t, _ in row["supporting_facts"]],
                "sent_id": [i for _, i in row["supporting_facts"]],
            },
        }
        for row in rows
    ]


def paragraph(idx: int, title: str, text: str, supports: bool) -> dict[str, Any]:
    return {"idx": idx, "title": title, "paragraph_text": text, "is_supporting": supports}


MUSIQUE = [
    {
        "id": "2hop__1_2",
        "question": "Where was the planter of Old Oak born?",
        "answer": "Tarn",
        "answer_aliases": ["Tarn town"],
        "answerable": answerable,
        "paragraphs": [
            paragraph(0, "Old Oak", " ".join(OAK), True),
            paragraph(1, "Elm Row", " ".join(ELM), False),
            paragraph(2, "Edda Moor", "Edda Moor was a gardener. She was born in Tarn. She left it.", answerable),
        ],
        "question_decomposition": [
            {"id": 1, "question": "Who planted Old Oak?", "answer": "Edda Moor", "paragraph_support_idx": 0},
            {"id": 2, "question": "Where was #1 born?", "answer": "Tarn", "paragraph_support_idx": 2},
        ],
    }
    for answerable in (True, False)
]

CONTEXT = "The ferry leaves at nine. It is painted red.  A red flag hangs aft."
SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ostwick_Ferry",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "s1",
                            "question": "What colour is  the ferry?",
                            "is_impossible": False,
                            "answers": [
                                {"text": "red", "answer_start": CONTEXT.index("red")},
                                {"text": "red", "answer_start": CONTEXT.rindex("red")},
                                {"text": "painted red", "answer_start": CONTEXT.index("painted")},
                            ],
                        },
                        {"id": "s2", "question": "Who owns the ferry?", "is_impossible": True, "answers": []},
                    ],
                },
                {"context": "Tickets are sold aboard.", "qas": []},
            ],
        }
    ],
}
SQUAD_ROWS = [
    {
        "id": qa["id"],
        "title": "Ostwick_Ferry",
        "context": CONTEXT,
        "question": qa["question"],
        "answers": {
            "text": [a["text"] for a in qa["answers"]],
            "answer_start": [a["answer_start"] for a in qa["answers"]],
        },
    }
    for qa in SQUAD["data"][0]["paragraphs"][0]["qas"]
]

PARAS = ["Hanno Vick", "Hanno Vick is a signalman . He served in Tarn until 1990 . Then he moved to Verrin .", "Life ."]


def at(text: str) -> dict[str, Any]:
    start = PARAS[1].index(text)
    return {"para": 1, "from": start, "end": start + len(text), "answer": text}


def page(link: str, kind: str, questions: list[list[Any]]) -> dict[str, Any]:
    return {"index": f"{link}#{kind}", "type": kind, "link": link, "questions": questions, "paras": PARAS}


TIMEQA = [
    page("/wiki/Hanno", "P1", [["Where did Vick serve in 1989?", [at("Tarn")]], ["Where in 1980?", []]]),
    page("/wiki/Hanno", "P2", [["Where did Vick serve in 1989 or 1991?", [at("Tarn"), at("Verrin")]]]),
    page("/wiki/Other", "P1", [["Where was it?", [at("Verrin")]]]),
]


def said(uid: int, speaker: str, text: str) -> dict[str, Any]:
    return {"uid": uid, "speakers": speaker.split("+"), "utterance": text}


def named(uid: int, text: str) -> dict[str, Any]:
    return {"answer_text": text, "utterance_id": uid, "inner_start": 0, "inner_end": 0, "is_speaker": False}


def scene(title: str, turns: list[dict[str, Any]], qas: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "paragraphs": [{"utterances:": turns, "qas": qas}]}


FRIENDSQA = {
    "data": [
        scene(
            "s02_e01_c01",
            [said(0, "Lena", "Hello .")],
            [{"id": "k0", "question": "Say hello ?", "answers": [named(0, "Hello")]}],
        ),
        scene(
            "s01_e01_c02",
            [said(0, "Oskar", "Plums are out ."), said(1, "Lena", "Cherry cake , then ."), said(2, "Lena+Oskar", " ")],
            [
                {
                    "id": "k1",
                    "question": "Which cake is baked ?",
                    "answers": [named(1, "Cherry"), named(1, "Cherry cake"), named(0, "Plums")],
                }
            ],
        ),
        scene(
            "s01_e01_c01",
            [said(0, "Oskar+Ada", "The oven is broken .")],
            [{"id": "k2", "question": "What is broken ?", "answers": [named(0, "The oven")]}],
        ),
    ]
}

STORY = (
    'section,text\n1,"A miller had a blue cow. She gave beer."\n'
    '2,"One night a fox came. The fox milked the blue cow."\n'
)
ASKED = (
    "question_id,local-or-sum,cor_section,ex-or-im1,attribute1,attribute2,question,answer1,answer2,answer3\n"
    "1,local,1,explicit,action,,What did the cow give?,beer,,\n"
    '2,summary,"1, 2",explicit,character,,Who milked the blue cow?,the fox,A fox milked her.,\n'
    "3,local,2,implicit,feeling,,How did the miller feel?,very sad,,\n"
)


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl"
    text = "".join(json.dumps(row) + "\n" for row in value) if lines else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return path


def write_fairytale(folder: Path) -> Path:
    for kind in ("questions", "section-stories", "sentence-stories"):
        (folder / kind / "train").mkdir(parents=True)
    (folder / "questions" / "train" / "blue-cow-questions.csv").write_text(ASKED, encoding="utf-8")
    (folder / "section-stories" / "train" / "blue-cow-story.csv").write_text(STORY, encoding="utf-8")
    by_sentence = "document_id,text\nblue-cow,A miller had a blue cow.\n"
    (folder / "sentence-stories" / "train" / "blue-cow-story.csv").write_text(by_sentence, encoding="utf-8")
    return folder
