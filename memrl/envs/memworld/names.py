"""Names of MemWorld: single common English words, other ones in each split.

People are written with a capital, everything else without; ``is_person`` relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from memrl.contracts.types import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What one split may call things."""

    objects: tuple[str, ...]
    places: tuple[str, ...]
    people: tuple[str, ...]
    aliases: tuple[str, ...]
    """Second names of objects."""
    creatures: tuple[str, ...]
    gatherings: tuple[str, ...]
    colours: tuple[str, ...]
    signals: tuple[str, ...]
    """What can be heard, and what plans wait for."""


def is_person(name: str) -> bool:
    return name[0].isupper()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TRAIN = Names(
    objects=_words(
        "lantern hammer basket kettle violin ladder bottle camera compass blanket wallet mirror bucket candle helmet "
        "umbrella pillow shovel trumpet telescope necklace towel drum guitar map knife clock rope vase saddle ticket "
        "puzzle brush scarf magnet notebook crown whistle suitcase anchor"
    ),
    places=_words(
        "attic kitchen garden garage cellar library barn office bedroom stable workshop tower chapel market school "
        "hospital museum theater station harbor forest valley tunnel castle temple bakery gym studio basement parlor "
        "hallway pantry closet lobby courtyard greenhouse warehouse tent cabin cave"
    ),
    people=_words(
        "Ana Ben Carl Dora Emma Frank Grace Henry Ivan Jack Kate Laura Mark Nina Oscar Paul Rosa Sam Tom Vera Walter "
        "Alice Bruce Clara David Ella Felix George Helen Ian Julia Kevin Linda Martin Nora Oliver Peter Rachel Simon "
        "Teresa"
    ),
    aliases=_words(
        "relic treasure prize gadget trinket heirloom gift keepsake marvel parcel oddity wonder token memento"
    ),
    creatures=_words("cat dog goat horse parrot hen pony mouse"),
    gatherings=_words("meeting lesson party rehearsal auction picnic"),
    colours=_words("green blue red yellow"),
    signals=_words("siren buzzer doorbell foghorn klaxon cannon tambourine fanfare"),
)
EVAL = Names(
    objects=_words(
        "lamp hat coin ring chair bowl sword letter flute spoon jacket radio book key pen cup shield glove banner belt"
    ),
    places=_words(
        "church hotel bank prison park shed vault lounge nursery factory palace mill cottage village clinic arena "
        "dungeon chamber laundry meadow"
    ),
    people=_words(
        "Adam Bella Chris Diana Eric Fiona Gary Hannah Jason Karen Leo Maria Nathan Olivia Philip Ruth Steve Tina "
        "Victor Wendy"
    ),
    aliases=_words("gem charm device bundle package jewel souvenir antique artifact novelty bargain curio"),
    creatures=_words("fox rabbit sheep donkey"),
    gatherings=_words("concert lecture dinner ceremony"),
    colours=_words("purple orange silver brown"),
    signals=_words("horn alarm bugle chime pager timer beeper ringtone"),
)
NAMES: dict[Split, Names] = {"train": TRAIN, "eval": EVAL}
NUMBERS = ("zero", *_words("one two three four five six seven eight nine ten eleven twelve"))
