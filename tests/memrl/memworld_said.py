"""What tests of MemWorld's styles share: phrasings as patterns, and the slots that a fact needs."""

from __future__ import annotations

import re

_SLOT = re.compile(r"\\{(\w)\\}")
_NAME = r"(?:[Tt]he )?[A-Za-z]+"
_WHAT = {"c": r".+", "x": r".+", "s": r"[\w ]+?", "b": r"[\w' ]+?", "d": r"\d+"}
"""Slots that hold more than a name: a claim, a phrasing, a path such as "the owner of the lamp", a byname, a number."""


def pattern(phrasing: str) -> re.Pattern[str]:
    """A phrasing, or a frame, with its slots open and its first letter large or small."""
    opened = _SLOT.sub(lambda slot: _WHAT.get(slot[1].lower(), _NAME), re.escape(phrasing))
    return re.compile(f"(?i:{opened[0]}){opened[1:]}" if opened[0].isalpha() else opened)


def fact_tables() -> dict[str, tuple[str, ...]]:
    """Table -> what each of its phrasings must name: "si" is slot s or slot i."""
    placed = ("si", "vj")
    tables = dict.fromkeys(
        ("assert_thing", "update_thing", "assert_person", "update_person", "retract_thing", "retract_person"), placed
    )
    tables |= dict.fromkeys(("carrier", "owner", "boss", "teacher"), placed)
    tables |= {"unlink": ("si", "vj", "r"), "alias": ("si", "n"), "contradict": ("c",)}
    tables |= {"plan": ("si", "vj", "y"), "cancel": ("y",), "cue": ("y",)}
    tables |= {"ask_where": ("s",), "ask_day": ("s", "d"), "ask_who": ("s",), "ask_count": ("v",)}
    return tables
