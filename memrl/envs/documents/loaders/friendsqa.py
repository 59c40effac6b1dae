"""FriendsQA (Yang and Choi 2019, aclanthology.org/W19-5923): one season a stream, scene by scene.

Every annotator names an utterance; ``agree`` counts those who named the same one, and ``evidence`` is the one that most
named. A question may be asked once its scene was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders.official import checked, files_of, official, plain, read_json, unique
from memrl.envs.documents.records import Question, Stream, Unit

ORIGIN = "github.com/emorynlp/FriendsQA (dat/friendsqa_dev.json)"
LICENCE = "Apache-2.0 (annotations); TV transcripts"
_ASKS = ("who", "what", "when", "where", "why", "how", "which")


def load(path: Path) -> tuple[Stream, ...]:
    """The streams of a file or of a folder's ``friendsqa_*.json``. Raises DataError."""
    scenes: dict[str, Mapping[str, Any]] = {}
    for file in files_of(path, "FriendsQA", "friendsqa_*.json"):
        raw = read_json(file, "FriendsQA")
        with official(file, "FriendsQA", ORIGIN):
            scenes |= {scene["title"]: paragraph for scene in raw["data"] for paragraph in scene["paragraphs"]}
    with official(path, "FriendsQA", ORIGIN):
        seasons: dict[str, list[str]] = {}
        for title in sorted(scenes):
            seasons.setdefault(title.partition("_")[0], []).append(title)
        streams = [_stream(season, [(t, scenes[t]) for t in titles]) for season, titles in seasons.items()]
    return checked(streams, path, "FriendsQA")


def _stream(season: str, scenes: Sequence[tuple[str, Mapping[str, Any]]]) -> Stream:
    units: list[Unit] = []
    questions: list[Question] = []
    for title, scene in scenes:
        # The official files spell the key with a colon.
        told = scene["utterances:"] if "utterances:" in scene else scene["utterances"]
        ids = {turn["uid"]: f"{title}_u{turn['uid']:03}" for turn in told if plain(turn["utterance"])}
        units += [
            Unit(id=ids[turn["uid"]], text=plain(turn["utterance"]), speaker=", ".join(sorted(turn["speakers"])))
            for turn in told
            if turn["uid"] in ids
        ]
        questions += [_question(raw, ids, title, units[-1].id) for raw in scene["qas"]]
    asked = tuple(unique([question for question in questions if question.evidence]))
    return Stream(id=f"friendsqa_{season}", units=tuple(units), questions=asked, source="FriendsQA", licence=LICENCE)


def _question(raw: Mapping[str, Any], ids: Mapping[int, str], scene: str, last: str) -> Question:
    answers = [answer for answer in raw["answers"] if plain(answer["answer_text"])]
    named = Counter(ids[answer["utterance_id"]] for answer in answers if answer["utterance_id"] in ids)
    best, agree = named.most_common(1)[0] if named else ("", 0)
    first = plain(raw["question"]).lower().partition(" ")[0]
    return Question(
        id=str(raw["id"]),
        question=plain(raw["question"]),
        answers=tuple(dict.fromkeys(plain(answer["answer_text"]) for answer in answers)),
        evidence=(best,) if best else (),
        evidence_alt=tuple((one,) for one in named) if len(named) > 1 else (),
        after_unit=last,
        category=first if first in _ASKS else "other",
        agree=agree,
        scope=scene,
    )
