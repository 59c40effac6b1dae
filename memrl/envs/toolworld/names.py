"""What training, "valid" and "eval" (the test split) call things and places, and how they speak.

No name and no phrasing is in two of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_SYLLABLES = ("ba", "de", "fi", "go", "hu", "ja", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "zo")
THINGS: Mapping[str, Sequence[str]] = {
    # Made up, and more than can be learned by heart: what is learned then holds for names never met.
    "train": [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES[::3]],
    "eval": [
        "anchor", "blanket", "compass", "dresser", "envelope", "flute", "gramophone", "harness", "icebox", "javelin",
        "keyboard", "loom", "mortar", "necklace", "ottoman", "pendulum", "quiver", "rocket", "sextant", "tripod",
        "ukulele", "violin", "wrench", "abacus", "beacon", "cradle", "dynamo", "fender", "girder", "hourglass",
        "ironing", "jukebox", "kiln", "locket", "mandolin", "nozzle", "oar", "pennant", "ratchet", "spindle",
    ],
    "valid": [
        "apron", "bellows", "candle", "drum", "easel", "funnel", "goblet", "hammer", "inkwell", "jigsaw",
        "kettle", "ladder", "mirror", "needle", "organ", "paddle", "quilt", "ribbon", "saddle", "teapot",
        "urn", "vase", "whistle", "yoke", "zither", "axle", "bobbin", "chisel", "dowel", "engine",
        "flask", "gasket", "hinge", "iron", "jug", "lantern", "mallet", "notebook", "opener", "pulley",
    ],
}  # fmt: skip
PLACES: Mapping[str, Sequence[str]] = {
    "train": [(a + b).capitalize() + "ton" for a in _SYLLABLES for b in _SYLLABLES],
    "eval": [
        "Malton", "Norham", "Oakham", "Penrith", "Quorn", "Ripley", "Selby", "Thirsk", "Ulverton", "Wetherby",
        "Yarmouth", "Alston",
    ],
    "valid": [
        "Bexley", "Corby", "Dalton", "Epworth", "Frome", "Goole", "Hawick", "Ingleton", "Keswick", "Ludlow", "Morpeth",
        "Newark",
    ],
}  # fmt: skip
PEOPLE: Mapping[str, Sequence[str]] = {
    "train": [(a + b).capitalize() + "man" for a in _SYLLABLES for b in _SYLLABLES],
    "eval": [
        "Keller", "Lorenz", "Moreau", "Novak", "Olsen", "Petrov", "Quist", "Rossi", "Santos", "Tanaka",
    ],
    "valid": [
        "Almeida", "Berger", "Cohen", "Dietrich", "Eriksen", "Fischer", "Galli", "Horvat", "Ito", "Jensen",
    ],
}  # fmt: skip
LETTERS: Mapping[str, str] = {"train": "bcdfgh", "eval": "jkmnpq", "valid": "rstvwx"}
"""Of codes."""

ASKS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "train": {
        "code": ("Look up the code of the {thing}.", "Search for the code of the {thing}."),
        "rate": ("Look up the rate of the {thing}.", "Search for the rate of the {thing}."),
        "units": ("Count the units of the {thing}.", "Ask for the units of the {thing}."),
        "cost": ("Compute the cost of the {thing}.", "Work out the cost of the {thing}."),
        "report": ("Report what the {thing} costs.", "Say what the {thing} costs."),
        "founder": ("Look up the founder of {place}.",),
        "hour": ("Look up the opening hour of {place}.",),
        "guests": ("Count the guests of day {day}.",),
        "sum": ("Compute {first} + {second}.",),
    },
    "eval": {
        "code": ("We need the code of the {thing} now.", "Find out which code the {thing} has."),
        "rate": ("We need the rate of the {thing} now.", "Find out which rate the {thing} has."),
        "units": ("How many units of the {thing} are there.", "Next come the units of the {thing}."),
        "cost": ("What is the cost of the {thing}, all units at its rate.", "Next comes the cost of the {thing}."),
        "report": ("Tell the office what the {thing} costs.", "The office wants to hear what the {thing} costs."),
        "founder": ("Who was the founder of {place}.",),
        "hour": ("Find out the opening hour of {place}.",),
        "guests": ("How many guests came on day {day}.",),
        "sum": ("What is {first} + {second}.",),
    },
    "valid": {
        "code": ("Get me the code of the {thing}, please.", "The code of the {thing} is wanted."),
        "rate": ("Get me the rate of the {thing}, please.", "The rate of the {thing} is wanted."),
        "units": ("See how many units we have of the {thing}.", "The units of the {thing} are wanted."),
        "cost": ("Multiply out the cost of the {thing}.", "The cost of the {thing} is wanted, units times rate."),
        "report": ("Write to the owner what the {thing} costs.", "The owner asks what the {thing} costs."),
        "founder": ("The founder of {place} is wanted.",),
        "hour": ("Get me the opening hour of {place}.",),
        "guests": ("See how many guests day {day} had.",),
        "sum": ("Add up {first} + {second}.",),
    },
}
FACTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "train": {
        "code": (
            "the code of the {thing} is {value}",
            "the {thing} bears the code {value}",
            "one {thing} has code {value}",
            "code for {thing} {value}",
            "{value} {thing} says the code list",
            "{value} for {thing} says the code list",
            "code {value} marks the {thing}",
            "{value} as code means a {thing}",
            "{value} is our code for the {thing}",
        ),
        "rate": (
            "the rate of the {thing} is {value}",
            "a {thing} goes at the rate {value}",
            "one {thing} has rate {value}",
            "rate for {thing} {value}",
            "{value} {thing} says the rate list",
            "{value} for {thing} says the rate list",
            "rate {value} holds for {thing}",
            "{value} as rate buys a {thing}",
            "{value} is our rate for the {thing}",
        ),
        "founder": (
            "the founder of {place} was {value}",
            "{place} names {value} as its founder",
            "founder of {place} {value}",
            "{place} had founder {value}",
            "{value} founder of {place} says the list",
            "the founder {value} made {place}",
        ),
        "hour": (
            "the opening hour of {place} is {value}",
            "{place} has {value} as its opening hour",
            "opening hour of {place} {value}",
            "{place} has opening hour {value}",
            "{value} opening hour of {place} says the list",
            "the opening hour {value} holds for {place}",
        ),
    },
    "eval": {
        "code": ("{value} is the code of every {thing}", "for the {thing} use code {value}"),
        "rate": ("{value} is the rate of any {thing}", "for the {thing} take rate {value}"),
        "founder": ("{value} became the founder of {place}", "people of {place} call {value} their founder"),
        "hour": ("{value} is the opening hour in {place}", "in {place} the opening hour comes at {value}"),
    },
    "valid": {
        "code": ("every {thing} is filed under code {value}", "{value} stands for the {thing} as its code"),
        "rate": ("every {thing} is sold at rate {value}", "{value} is charged for the {thing} as its rate"),
        "founder": ("founder of {place} is {value}", "it was {value} who is named founder of {place}"),
        "hour": ("opening hour of {place} is {value}", "{place} keeps {value} for opening hour"),
    },
}
HEADER = "Do each job with one call of a tool, or say it where you are to report."
