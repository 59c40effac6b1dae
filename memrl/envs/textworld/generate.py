"""Makes game files in a process of its own, a job a line: ``python -m memrl.envs.textworld.generate``.

TextWorld walks through sets of strings, so the same seed gives other games in a process with other hashes: whoever
starts this sets ``PYTHONHASHSEED=0``. The process can be stopped when a game takes too long, and a broken file that
ends the interpreter ends nothing else. It goes on from job to job because reading TextWorld's grammars takes seconds,
and a game after the first a fraction of that.

    {"folder": "…", "kind": "coin", "number": 3, "length": 5, …}   make game.z8 and game.json in that folder
    {"folder": "…", "compile": "game.json"}                        make game.z8 of a game that somebody generated
    {"check": "game.z8"}                                           start it and give it one command

Each is answered by a line: ``{"fault": ""}``, or what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

TRIES = 24
"""Seeds that a quest is tried with; not every one gives a quest of its length."""
SEEDS = 2**32 - 1
"""Numbers of games; a multiple of three, so that a later try stays in its split's third."""
STRIDE = 3 * 7_919_777


def made(spec: dict[str, Any], number: int) -> tuple[Any, Any]:
    """The game and the options that it is compiled with."""
    textworld: Any = import_module("textworld")
    challenges = import_module("textworld.challenges").CHALLENGES
    options = textworld.GameOptions()
    options.seeds = number
    if spec["kind"] == "cooking":
        axes = {name: spec[name] for name in ("open", "cook", "cut", "drop")}
        axes |= {"recipe": spec["ingredients"], "take": spec["ingredients"], "go": spec["rooms"]}
        return challenges["tw-cooking"][1]({**axes, "recipe_seed": 0, "split": spec["foods"]}, options), options
    if spec["kind"] == "coin":
        level = 100 * spec["dead_ends"] + spec["length"]
        return challenges["tw-coin_collector"][1]({"level": level}, options), options
    options.nb_rooms, options.nb_objects = spec["rooms"], 2 * spec["rooms"] + 2
    options.grammar.allowed_variables_numbering = True
    chaining = options.chaining
    chaining.min_length = chaining.max_length = chaining.max_depth = spec["length"]
    return textworld.generator.make_game(options), options


def generated(spec: dict[str, Any]) -> tuple[Any, Any]:
    """As ``made``, with other seeds in turn where one gives no quest. Raises ValueError where none does."""
    errors = import_module("textworld.generator")
    for trial in range(TRIES):
        try:
            return made(spec, (spec["number"] + trial * STRIDE) % SEEDS)
        except errors.QuestGenerationError:
            continue
    raise ValueError(f"none of {TRIES} seeds gives such a quest; take another length, or other rooms")


def check_file(path: str) -> None:
    """Start a game and give it one command."""
    textworld: Any = import_module("textworld")
    infos = textworld.EnvInfos(admissible_commands=Path(path).with_suffix(".json").exists(), won=True, lost=True)
    env = textworld.start(path, infos)
    if not env.reset().feedback.strip():
        raise ValueError("it prints nothing")
    env.step("look")
    env.close()


def carried_out(job: dict[str, Any]) -> None:
    """One job. Raises whatever TextWorld raises."""
    if "check" in job:
        return check_file(job["check"])
    folder = Path(job["folder"])
    textworld: Any = import_module("textworld")
    if "compile" in job:
        game, options = textworld.Game.load(job["compile"]), textworld.GameOptions()
    else:
        game, options = generated(job)
    options.path, options.file_ext, options.force_recompile = str(folder / "game.z8"), ".z8", True
    textworld.generator.compile_game(game, options)
    (folder / "game.ni").unlink(missing_ok=True)
    return None


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what TextWorld prints is no answer
    for line in sys.stdin:
        fault = ""
        try:
            carried_out(json.loads(line))
        except Exception as error:
            fault = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(json.dumps({"fault": fault}), file=answers, flush=True)


if __name__ == "__main__":
    main()
