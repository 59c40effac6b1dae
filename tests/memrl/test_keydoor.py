"""An example package outside the tree: the kit, the rules of its game, and the ways in which a config finds it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import Taker, toy_agent

from memory_stores.types import Write
from memrl.contracts import registry, rows
from memrl.contracts.registry import make
from memrl.contracts.types import End, Say
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.testing import check_env
from memrl.train import train
from memrl.training.run_folder import load_run

PACKAGE = Path(__file__).parents[2] / "examples" / "keydoor"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As pip leaves it: the package on the path, and a dist-info with the entry points of its own pyproject.toml."""
    info = tmp_path / "keydoor-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keydoor\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[memrl.envs]\nkeydoor = keydoor.game:KeyDoor\n")
    assert 'keydoor = "keydoor.game:KeyDoor"' in (PACKAGE / "pyproject.toml").read_text()
    for folder in (tmp_path, PACKAGE):
        monkeypatch.syspath_prepend(str(folder))
    yield
    registry._PARTS.pop(("env", "keydoor"), None)
    for module in [name for name in sys.modules if name.partition(".")[0] == "keydoor"]:
        del sys.modules[module]


def source(**options: Any) -> Any:
    return make("env", "keydoor", options, "env.name")


def test_the_environment_fits_on_a_page() -> None:
    assert len((PACKAGE / "keydoor" / "game.py").read_text().splitlines()) <= 60


@pytest.mark.parametrize("options", [{}, {"walk": True}, {"doors": 1, "steps": 9}])
def test_the_kit_passes(options: dict[str, Any]) -> None:
    check_env(source(**options))


def test_no_name_of_one_split_occurs_in_the_other() -> None:
    from keydoor.names import CHATTER, DOORS, KEYS

    train, held_out = (set(DOORS[split]) | set(KEYS[split]) for split in ("train", "eval"))
    assert not train & held_out and len(train) > 60 and len(held_out) > 30
    assert not (train | held_out) & set(" ".join(CHATTER).lower().replace(".", "").split())


def known(request: Any) -> str:
    """Opens the door in front from the note that is in view; else walks on."""
    door = request.observation.text.split()[4] if request.observation.text.startswith("You come to") else None
    notes = [re.search(f"the {door} door opens with the (\\w+) key", line.text) for line in request.view]
    keys = [note[1] for note in notes if note]
    return f"Please open the {door} door with the {keys[0].upper()} key!" if keys else "walk on"


def test_a_game_of_sixty_moves_that_is_always_solved_has_success_one() -> None:
    """T2: most steps are acted on and judged by nobody."""
    env = source(walk=True)
    agent = toy_agent(env, Taker(Write), ScriptedPolicy(known), budget=2000)
    [group] = play(agent, [env.held_out(3)], [0], tries=2)
    for episode in group.episodes:
        assert episode.end is End.DONE and len(episode.steps) == 60
        assert all(step.acted is not None and step.verdict is None for step in episode.steps)
        assert episode.success == 1.0 and sum(step.reward for step in episode.steps) == 4.0


def test_without_memory_no_door_opens_and_each_wrong_command_costs() -> None:
    env = source()
    [group] = play(toy_agent(env, Taker(), ScriptedPolicy(known)), [env.held_out(3)], [0], tries=1)
    [episode] = group.episodes
    assert episode.success == 0.0 and sum(step.reward for step in episode.steps) == pytest.approx(-0.8)


def at_the_first_door(env: Any) -> tuple[Any, str]:
    """A game that waits for a command, and the key that opens."""
    game = env.make(env.train("near", 0))
    observation = game.start()
    while not observation.wants_action:
        observation = game.step(None).next
    return game, next(iter(game.key_of.values()))


@pytest.mark.parametrize(("command", "opens"), [
    ("{key}", True),
    ("Open the door with the {KEY} key, please.", True),
    ("{key} {key}", True),
    ("open the door with the {key} or the {other} key", False),
    ("open sesame", False),
])  # fmt: skip
def test_commands_are_read_tolerantly_but_name_one_key(command: str, opens: bool) -> None:
    from keydoor.names import KEYS

    game, key = at_the_first_door(source())
    other = next(name for name in KEYS["train"] if name != key)
    outcome = game.step(Say(command.format(key=key, KEY=key.upper(), other=other)))
    assert outcome.reward == (1.0 if opens else -0.1)
    assert ("swings open" if opens else "stays shut") in outcome.next.text


def test_it_trains_and_is_found_again_by_its_entry_point(tmp_path: Path) -> None:
    knobs = yaml.safe_load((PACKAGE / "train.yaml").read_text())
    short = {"steps": 1, "rollout": {**knobs.pop("rollout"), "tasks": 2, "group_size": 2}}
    config = recipe(knobs.pop("recipe"), **{**knobs, **short, "out": str(tmp_path / "run")})
    saved, parts = load_run(train(config))
    assert saved.env.name == "keydoor" and saved.policy.name == "pointer"
    assert set(parts["policy"]) == {"net", "reference", "version"}


def test_the_environment_on_the_page_keeps_its_promises_and_its_row_is_a_row() -> None:
    page = (PACKAGE.parents[1] / "docs" / "acting.md").read_text(encoding="utf-8")
    environment, row = re.findall(r"^```python\n(.*?)^```", page, flags=re.S | re.M)
    exec(environment, {"__name__": "page"})
    try:
        exec(row, {"__name__": "page"})
        assert rows.row_kind("best_of_four") == "row"
    finally:
        registry._PARTS.pop(("row", "best_of_four"), None)
