"""The sets that are known by name: what each asks of a memory, its licence, its origin, and what reads its own form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memrl.envs.documents.loaders import fairytaleqa, friendsqa, hotpotqa, locomo, musique, squad, timeqa, twowiki
from memrl.envs.documents.records import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where a set lies on the Hugging Face hub."""

    id: str
    split: str
    """That is taken unless another is named."""
    config: str | None = None
    from_rows: Callable[[Sequence[Mapping[str, Any]], object], tuple[Stream, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """One set by name."""

    about: str
    """What it asks of a memory."""
    licence: str
    origin: str = ""
    """Where its official form is had."""
    load: Callable[[Path], tuple[Stream, ...]] | None = None
    """Reads its official form; None for a set that is known in the stream format alone."""
    folders: tuple[str, ...] = ()
    """Under the data folder, where the official form may lie."""
    hub: Hub | None = None


def _official(form: Any, about: str, folder: str, hub: Hub | None = None) -> KnownSet:
    """A set whose loader says its licence and where it comes from."""
    return KnownSet(about=about, licence=form.LICENCE, origin=form.ORIGIN, load=form.load, folders=(folder,), hub=hub)


KNOWN: Mapping[str, KnownSet] = {
    "locomo": _official(
        locomo, "talk of two people over months: facts, times, several hops, questions without an answer", "locomo"
    ),
    "locomo_corrected": KnownSet(
        about="the same, judged by the answers of its audit",
        licence=locomo.LICENCE,
        origin=f"{locomo.ORIGIN} and github.com/dial481/locomo-audit (errors.json)",
        load=locomo.load_corrected,
        folders=("locomo",),
    ),
    "timeqa": _official(timeqa, "facts that change over time, a few sentences in hundreds", "timeqa"),
    "friendsqa": _official(friendsqa, "dialogue of many speakers: who said what", "friendsqa"),
    "fairytaleqa": _official(fairytaleqa, "stories in order", "fairytaleqa"),
    "squad": _official(
        squad,
        "facts of an article, half of them asked for in vain (2.0)",
        "squad",
        Hub(id="rajpurkar/squad_v2", split="validation", from_rows=squad.from_rows),
    ),
    "hotpotqa": _official(
        hotpotqa,
        "two pieces that one query does not find",
        "hotpotqa",
        Hub(id="hotpotqa/hotpot_qa", config="distractor", split="validation", from_rows=hotpotqa.from_rows),
    ),
    "2wiki": _official(
        twowiki,
        "two to four pieces that one query does not find",
        "2wikimultihopqa",
        Hub(id="framolfese/2WikiMultihopQA", split="validation", from_rows=twowiki.from_rows),
    ),
    "musique": _official(
        musique,
        "two to four hops",
        "musique",
        Hub(id="dgslibisey/MuSiQue", split="validation", from_rows=musique.from_rows),
    ),
    "2wiki_qa": KnownSet(about="samples of 2WikiMultihopQA as streams", licence=twowiki.LICENCE),
    "sgd_state": KnownSet(about="service dialogues: the latest value, and the one before", licence="CC BY-SA 4.0"),
    "babi": KnownSet(about="synthetic exercise", licence="CC BY 3.0"),
}
"""In the order in which they are listed."""
