"""One test with the real models: pulls SmolLM2 and MiniLM, answers from memory, makes one joint update."""

import pytest

pytestmark = pytest.mark.slow


def test_the_real_models_answer_from_memory_and_learn_together(tmp_path):
    from memrl.agent import wrap
    from memrl.evaluate import evaluate
    from memrl.policies.models import pull
    from memrl.recipes import recipe
    from memrl.train import train

    assert (pull("smollm2-135m") / "model.safetensors").exists()
    config = recipe(
        "quickstart",
        steps=1,
        out=str(tmp_path / "run"),
        env={"options": {"horizon": 12, "objects": 2, "questions": 3, "delay": 2}},
        warm_start={"steps": 4, "batch_size": 8},
        rollout={"tasks": 2, "practice_tasks": 2, "group_size": 4},
    )
    run = train(config)
    [oracle] = evaluate(run, episodes=12, rows=["oracle"]).rows
    assert oracle.success > 0.2, "a warm-started reader with the right facts in view must beat guessing (0.05) clearly"

    agent = wrap(run)
    agent.observe("Ana put the lantern in the attic.")
    assert isinstance(agent.ask("Where is the lantern?").text, str)
