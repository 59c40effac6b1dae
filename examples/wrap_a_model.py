"""Give a model a memory that outlives the program: observe, ask, save, take up again.

python examples/wrap_a_model.py                      # SmolLM2-135M, zero-shot
python examples/wrap_a_model.py runs/quickstart-0    # a trained run: its reader, controller and budgets
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import memrl

NEWS = (
    "Ana put the lantern in the attic.",
    "It rained all afternoon.",
    "Ben carried the kettle to the cellar.",
    "Ana moved the lantern to the garden.",
)


def main(model: str = "smollm2-135m") -> None:
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes.json"
        agent = memrl.wrap(model, memory=notes)
        for text in NEWS:
            print(f"{text:45s} {agent.observe(text) or 'kept nothing'}")
        agent.save()

        again = memrl.wrap(model, memory=notes)
        answer = again.ask("Where is the lantern?")
        print("answer:", answer.text)
        for line in answer.used:
            print("  from:", line.text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
