"""What a run is exported as is what it plays with, and comes back wherever a model is accepted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import memrl
from memrl.contracts.config import PolicyConfig
from memrl.contracts.errors import ConfigError, DataError, InputError, ModelError
from memrl.policies.hf import HFPolicy
from memrl.policies.merging import MergedWeights
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.checkpoints import read_state, write_state
from memrl.training.export import export, read_controller
from memrl.training.run_folder import load_run

PROMPT = "Memory:\n- The lantern is in the attic.\nQuestion: Where is the lantern?\nAnswer:"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose LoRA weights are far from the zero that they start at."""
    knobs = {"warm_start": {"steps": 2, "batch_size": 2}, "rollout": {"tasks": 1, "practice_tasks": 1, "group_size": 2}}
    folder = train(recipe("smoke", out=str(tmp_path_factory.mktemp("export") / "run"), steps=1, **knobs))
    path = folder / "checkpoints" / "step-000001.pt"
    state = read_state(path)
    noise = torch.Generator().manual_seed(0)
    for value in state["parts"]["policy"]["lora"].values():
        value += 0.1 * torch.randn(value.shape, generator=noise)
    write_state(path, state)
    return folder


@pytest.fixture(scope="module")
def policy(run: Path) -> HFPolicy:
    config, parts = load_run(run)
    policy = HFPolicy(config.policy, seed=config.seed)
    policy.load_state_dict(parts["policy"])
    return policy


@pytest.fixture(scope="module")
def merged(run: Path) -> Path:
    return export(run, "merged")


@pytest.fixture(scope="module")
def adapter(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, "adapter", tmp_path_factory.mktemp("somewhere") / "adapter")


def logits(model: Any, policy: HFPolicy) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor(policy.encode([PROMPT]))).logits


def played(policy: HFPolicy) -> torch.Tensor:
    """What the run's policy computes when it plays."""
    with policy.sampler.merged():
        return logits(policy.model, policy)


def test_a_merged_folder_is_a_model_of_transformers_that_answers_to_the_bit(merged: Path, policy: HFPolicy, run: Path):
    assert merged == run / "export" / "merged"
    model = AutoModelForCausalLM.from_pretrained(merged)
    assert torch.equal(logits(model, policy), played(policy))
    tokenizer = AutoTokenizer.from_pretrained(merged)
    assert tuple(tokenizer(PROMPT)["input_ids"]) == policy.encode([PROMPT])[0]
    with policy.model.disable_adapter():
        assert not torch.allclose(logits(policy.model, policy), played(policy), atol=1e-2)


def test_an_adapter_folder_loads_with_peft(adapter: Path, policy: HFPolicy):
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter))
    assert torch.allclose(logits(loaded, policy), played(policy), atol=1e-5)


@pytest.mark.parametrize("kind", ["merged", "adapter"])
def test_an_exported_folder_is_accepted_where_a_model_is(kind: str, merged: Path, adapter: Path, policy: HFPolicy):
    folder = merged if kind == "merged" else adapter
    again = HFPolicy(PolicyConfig(model=str(folder), dtype="float32", lora_rank=3))
    assert torch.allclose(played(again), played(policy), atol=1e-5)
    assert sum(p.numel() for p in again.parameters()) > 0


def test_wrap_takes_an_adapter_folder(adapter: Path):
    agent = memrl.wrap(adapter)
    agent.observe("The lantern is in the attic.")
    assert agent.ask("Where is the lantern?").used[0].text == "The lantern is in the attic."


def test_a_run_trains_on_an_adapter_and_is_exported_with_its_base(adapter: Path, tmp_path: Path):
    knobs = {"warm_start": {"steps": 1, "batch_size": 2}, "rollout": {"tasks": 1, "practice_tasks": 1, "group_size": 2}}
    made = recipe(
        "smoke", out=str(tmp_path / "run"), steps=1, policy={"model": str(adapter), "dtype": "float32"}, **knobs
    )
    second = export(train(made), "adapter")
    base = json.loads((second / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(base) == (second / "base").resolve() and (second / "base" / "config.json").exists()


def test_a_moved_adapter_finds_a_base_beside_it_and_says_when_it_finds_none(adapter: Path, tmp_path: Path):
    moved = tmp_path / "moved"
    shutil.copytree(adapter, moved)
    card = moved / "adapter_config.json"
    data = json.loads(card.read_text())
    for base, message in (
        ("/nowhere/at-all", "the base of this adapter, '/nowhere/at-all', cannot be loaded; name its folder"),
        (str(moved), "names itself as its base"),
        (None, "names no base"),
    ):
        card.write_text(json.dumps(data | {"base_model_name_or_path": base}))
        with pytest.raises(ModelError, match=message) as refused:
            HFPolicy(PolicyConfig(model=str(moved)))
        assert "\n" not in str(refused.value)
    card.write_text(json.dumps(data | {"base_model_name_or_path": "base"}))
    assert HFPolicy(PolicyConfig(model=str(moved), dtype="float32")).encode(["x"])
    card.write_text("{")
    with pytest.raises(ModelError, match=r"adapter_config.json cannot be read"):
        HFPolicy(PolicyConfig(model=str(moved)))


def test_a_controller_comes_back_as_it_was(run: Path, tmp_path: Path):
    folder = export(run, "controller", tmp_path / "controller")
    card, state = read_controller(folder)
    want = load_run(run).checkpoint["controller"]
    assert card["controller"]["name"] == "scorer" and card["memory"]["read_budget"] == 160
    assert state["version"] == want["version"] and state["net"].keys() == want["net"].keys()
    assert all(torch.equal(state["net"][name], want["net"][name]) for name in want["net"])
    (folder / "controller.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="no controller can be read there"):
        read_controller(folder)


def test_every_export_says_where_it_came_from(merged: Path, run: Path):
    told = json.loads((merged / "memrl.json").read_text())
    assert told["from"] == str(run.resolve()) and told["config"]["policy"]["lora_rank"] == 4


def test_a_folder_that_holds_something_is_never_overwritten(merged: Path, run: Path):
    before = sorted(path.name for path in merged.iterdir())
    with pytest.raises(InputError, match="something is there already, which stays; name another folder"):
        export(run, "merged")
    assert sorted(path.name for path in merged.iterdir()) == before
    assert not list(merged.parent.glob(".*.tmp"))


def test_another_kind_of_export_is_refused(run: Path):
    with pytest.raises(ConfigError, match="what = 'gguf': it is none of adapter, merged, controller"):
        export(run, "gguf")  # pyright: ignore[reportArgumentType]
