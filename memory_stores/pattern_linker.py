"""Proposes graph edges from plain sentences by patterns of English, with no model and no table of phrasings.

A proposal is only an offer: the controller decides whether it becomes an edge. Relations are canonical, so that
a later "carried by" of the same thing is seen as a conflict with the earlier one, whatever verb said so.
"""

from __future__ import annotations

import re
from functools import lru_cache

from memory_stores.linker import ProposedEdge

IN, CARRIED, OWNED, WORKS, TAUGHT, CALLED = "in", "carried by", "belongs to", "works for", "taught by", "also called"


class PatternLinker:
    """Finds definite nouns and names, then the relation that the words between them express."""

    def link(self, text: str) -> tuple[ProposedEdge, ...]:
        """See ``EntityLinker``: at most one edge a sentence, none from a question or a guess. Results are cached."""
        return _link(text)


def _words(text: str) -> list[str]:
    return text.split()


def _any(words: str) -> str:
    return "(?:" + "|".join(_words(words)) + ")"


_ROLE_NOUNS = {
    CARRIED: "carrier holder bearer",
    OWNED: "owner proprietor",
    WORKS: "boss employer manager supervisor",
    TAUGHT: "teacher tutor instructor mentor",
}
_ROLE = {noun: relation for relation, nouns in _ROLE_NOUNS.items() for noun in nouns.split()}
_R = "(" + "|".join(_ROLE) + ")"
_NO_ENTITY = frozenset(
    _words(
        "day days time morning afternoon evening night noon week weekend month year moment way end wages "
        "trade name names thing things place spot hands hand arms possession property care ownership job "
        "floor wall walls price rest trail same other one others law light corner side back middle part top "
        "bottom person people world"
    )
) | set(_ROLE)
_SENTENCE_STARTS = frozenset(
    _words(
        "the a an in into inside within on onto at to from by over under near now later then right early today "
        "yesterday it its he she they we you i this that these those there here some someone somebody nobody "
        "everybody everyone no not without with as when while after before since until people one two all "
        "around another each every both only just ownership for of and but or so if maybe perhaps still again "
        "afterwards finally soon meanwhile nothing"
    )
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_DIGITS = re.compile(r"\d")
_PREAMBLE = re.compile(r"^[^:]{0,20}\bday \d+[^:]{0,20}: ", re.IGNORECASE)
_UNREAL = re.compile(
    r"\?|\b(?:wonder(?:s|ed|ing)\b|dream|imagin|plan(?:s|ned|ning)?\b|might\b|could\b|would\b|should\b|maybe|perhaps|if\b|whether|"
    r"hop(?:e|es|ed|ing)\b|wish|intend|suppos|pretend|claim|sa(?:y|ys|id)\b|swear|swore|insist|alleg|rumou?r|gossip|"
    r"announc|shout|whisper|report(?:ed|edly)\b|accord|stor(?:y|ies)\b|poem|song|picture|drew\b|jok(?:e|es|ed)\b|"
    r"ask(?:s|ed)?\b|almost|nearly|refus|cannot|can't|ago\b(?=.*\bbut not)|once thought|believ|guess|fear|want to|"
    r"decide|consider|tomorrow|next (?:week|month|year)|will (?:put|take|move|go|bring|be in)|lied\b)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:no longer|not|never|nobody|no one|any ?more|any longer|stopped|ceased|quit|gave up|without|gone from|"
    r"vanish\w*|disappear\w*|missing|no sign|lost|left [TP]\d(?! (?:in|inside|at|on|under|behind|by|near)\b))\b"
)
_PART = re.compile(
    r"\b(?:a|an|the|one|some) (?:far |dark |quiet )?"
    + _any("corner side back front middle part end edge floor top bottom center")
    + r" of (?=the |my |our |his |her )"
)
_ENTITY = re.compile(
    r"\b(?:[Tt]he|[Mm]y|[Oo]ur|[Hh]is|[Hh]er) "
    r"(?:(?:old|new|big|small|little|large|tiny|red|blue|green|white|black|dark|upper|lower|front|back|broken|heavy)"
    r" (?=[a-z]))?([a-z]+)\b|\b([A-Z][a-z]+)\b"
)

_P, _T, _E = r"(P\d)", r"(T\d)", r"([TP]\d)"
_GAP = r"(?: \w+){0,4}? "
_AUX = (
    r"(?: (?:no longer|not|never|does|did|has|have|had|is|was|now|just|then|also|again|today|later|finally|first|"
    r"started|keeps|to))*"
)


def _verb(words: str) -> str:
    """A verb by its stem, after any auxiliaries."""
    return _AUX + " " + _any(words) + r"\w*"


_Rule = tuple[re.Pattern[str], str, bool]
_RULES: tuple[_Rule, ...] = tuple(
    (re.compile(pattern), relation, swapped)
    for pattern, relation, swapped in (
        (_E + _verb("belong") + " to " + _P, OWNED, False),
        (_E + _GAP + r"(?:property of|owned by|sold to|bought by|inherited by) " + _P, OWNED, False),
        (r"\bownership of " + _E + _GAP + r"to " + _P, OWNED, False),
        (_P + _GAP + r"(?:own|owns|owned|bought|buys|purchased|inherited|acquired) " + _E, OWNED, True),
        (_P + _verb("work") + " with " + _P, "works with", False),
        (_P + _verb("live dwell") + r" (?:next to|beside|next door to) " + _P, "lives next to", False),
        (_P + _verb("work") + " (?:for|under) " + _P, WORKS, False),
        (_P + _GAP + r"(?:works?|working) for " + _P, WORKS, False),
        (_P + _GAP + r"(?:employed by|hired by|reports? to|answers? to|managed by|supervised by) " + _P, WORKS, False),
        (_P + _verb("hire employ manage supervise") + " " + _P, WORKS, True),
        (_P + _GAP + r"(?:taught|trained|tutored|lessons given|classes given|instructed) by " + _P, TAUGHT, False),
        (_P + _GAP + r"(?:lessons|classes) (?:from|with|by) " + _P, TAUGHT, False),
        (_P + _verb("learn stud train") + _GAP + r"?(?:from|under|with) " + _P, TAUGHT, False),
        (_P + _verb("learn stud") + r" (?:from|under|with) " + _P, TAUGHT, False),
        (_P + _GAP + r"(?:student|pupil|apprentice) of " + _P, TAUGHT, False),
        (_P + _verb("teach taught tutor instruct") + " " + _P, TAUGHT, True),
        (_E + _GAP + r"(?:carried|held|worn|taken|picked up|kept) by " + _P, CARRIED, False),
        (_T + _GAP + r"(?:hands|possession|arms|care|keeping|pocket) of " + _P, CARRIED, False),
        (r"\b(?:hands|possession|arms|care|pocket) of " + _P + _GAP + _T, CARRIED, True),
        (_T + _GAP + r"(?:handed|given|passed|entrusted)(?: over)? to " + _P, CARRIED, False),
        (r"\b(?:gave|hands|handed|passed|gives|lent) " + _T + r"(?: over)? to " + _P, CARRIED, False),
        (_T + r" (?:travels|goes|moves|stays|is|rides|remains)(?: around| along)? with " + _P, CARRIED, False),
        (_P + _verb("carr hold holds held grab bear wear") + r"(?: on to| onto| up)? " + _T, CARRIED, True),
        (_P + r" (?:walk|run|go|travel|wander|move)\w*(?: around| about| along)? with " + _T, CARRIED, True),
        (
            _P + _AUX + r" (?:pick|take|took|has|had|have|lift|fetch|snatch|seiz)\w*(?: up| hold of)? " + _T,
            CARRIED,
            True,
        ),
    )
)
_ROLE_OF = re.compile(_R + " of " + _E)
_AS_ROLE = re.compile(
    _E + r"(?: no longer)? (?:has|had|have|gets|got|takes|took)(?: now)? " + _P + r" as(?: \w+){0,2}? " + _R
)
_ROLE_LESS = re.compile(_E + r" (?:has no|was left|is left|lost|lacks)\b.*?\b" + _R)
_CALLED = (
    (re.compile(_T + r".*\b(?:name for|mean|means|stands for|refers to)\b.*" + _T), True),
    (re.compile(_T + r".*\b(?:called|known|name|named|nickname|nicknamed|names|same)\b.*" + _T), False),
    (re.compile(r"\b(?:call|calls|refer to)\b.*" + _T + r".*" + _T), False),
)
_HOLDS = re.compile(_T + r"(?: \w+){0,2}? (?:holds|contains|houses|hosts|stores|shelters|has) " + _E)
_IS_WHERE = re.compile(_T + r" is(?: now)? (?:where|the place where)\b(.*)")
_INTO_IT = re.compile(r"\b(?:enter|enters|entered|reach|reaches|reached|occupies) " + _T)
_INTO_THAT = re.compile(r"\bit (?:is|was) " + _T + r" that " + _E + r".*\b(?:enter|reach|went)\w*")
_OUT_OF = re.compile(_E + r".*\b(?:left|gone from|from|out of) " + _T)
_LOCATIVE = re.compile(r"\b(?:in|into|inside|within|to|at|on|onto|under|beneath|behind|near|toward|towards) " + _T)
_SITUATION = re.compile(
    r"\b"
    + _any(
        "put plac vanish disappear set left leav laid lay lies lie kept keep stor drop brought bring mov "
        "shift transfer relocat took tak hang hung carr return deposit dump stash hid stay sit sat stand "
        "stood rest wait spend spent seen found find remain went go gone goes walk ran run arriv came come "
        "park hurr travel head rush enter reach spot start busy work live sleep slept stroll drove rode flew climb "
        "slip retir is was been are"
    )
    + r"\w*"
)


@lru_cache(maxsize=16_384)
def _link(text: str) -> tuple[ProposedEdge, ...]:
    found = (_sentence(sentence) for sentence in _SENTENCE_END.split(text))
    return tuple(edge for edge in found if edge is not None)


def _sentence(text: str) -> ProposedEdge | None:
    names: list[str] = []
    marked = _mark(_PREAMBLE.sub("", text), names)
    if len(names) < 2:
        return None
    edge = _called(marked, names)
    if edge is None and not _UNREAL.search(text):
        edge = _role(marked, names) or _relation(marked, names) or _location(marked, names)
    return edge


def _mark(text: str, names: list[str]) -> str:
    """``text`` in lower case without punctuation, entities replaced by T0 (a thing or place) or P1 (a name)."""

    def replace(match: re.Match[str]) -> str:
        noun, name = match.groups()
        word = noun or name
        if (noun and noun in _NO_ENTITY) or (name and name.lower() in _SENTENCE_STARTS) or len(names) > 9:
            return match.group()
        if word not in names:
            names.append(word)
        return f"{'T' if noun else 'P'}{names.index(word)}"

    marked = _ENTITY.sub(replace, _PART.sub("", _DIGITS.sub(" ", text)))
    words = re.findall(r"[A-Za-z']+\d?", marked)
    return " ".join(word if word[-1].isdigit() else word.lower() for word in words)


def _edge(names: list[str], subject: str, relation: str, object_: str, marked: str) -> ProposedEdge | None:
    if subject == object_:
        return None
    negated = _NEGATION.search(marked) is not None
    return ProposedEdge(names[int(subject[1])], relation, names[int(object_[1])], negated)


def _called(marked: str, names: list[str]) -> ProposedEdge | None:
    for pattern, swapped in _CALLED:
        match = pattern.search(marked)
        if match:
            one, two = match.groups()[::-1] if swapped else match.groups()
            return ProposedEdge(names[int(one[1])], CALLED, names[int(two[1])]) if one != two else None
    return None


def _role(marked: str, names: list[str]) -> ProposedEdge | None:
    """Two entities and a noun such as owner or boss between them."""
    if match := _AS_ROLE.search(marked):
        subject, person, noun = match.groups()
    elif match := _ROLE_OF.search(marked):
        noun, subject = match.groups()
        person = _other(marked, subject)
    elif match := _ROLE_LESS.search(marked):
        subject, noun = match.groups()
        person = _other(marked, subject)
    else:
        return None
    return _edge(names, subject, _ROLE[noun], person, marked) if person else None


def _other(marked: str, subject: str) -> str | None:
    """The first name in the sentence that is not the subject."""
    return next((person for person in re.findall(_P, marked) if person != subject), None)


def _relation(marked: str, names: list[str]) -> ProposedEdge | None:
    """A verb between two entities; holding something counts only where no place is named."""
    placed = _LOCATIVE.search(marked) is not None
    for pattern, relation, swapped in _RULES:
        if placed and relation == CARRIED:
            continue
        if match := pattern.search(marked):
            one, two = match.groups()[::-1] if swapped else match.groups()
            return _edge(names, one, relation, two, marked)
    return None


def _location(marked: str, names: list[str]) -> ProposedEdge | None:
    """Something or somebody in a place."""
    place = _place(marked)
    if place is None:
        return None
    others = [entity for entity in re.findall(_E, marked) if entity != place]
    theme = next((entity for entity in others if entity[0] == "T"), others[0] if others else None)
    return _edge(names, theme, IN, place, marked) if theme else None


def _place(marked: str) -> str | None:
    """The entity that stands where a place stands."""
    if match := _HOLDS.search(marked) or _IS_WHERE.search(marked) or _INTO_IT.search(marked):
        return match.group(1)
    if match := _INTO_THAT.search(marked):
        return match.group(1)
    if not _SITUATION.search(marked):
        return None
    if found := _LOCATIVE.findall(marked):
        return found[-1]
    match = _OUT_OF.search(marked)
    return match.group(2) if match and _NEGATION.search(marked) else None


PARTS = (("linker", "pattern", PatternLinker, None),)
"""What can be had by name: (kind, name, make, options)."""
