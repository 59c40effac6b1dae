"""Train, then print the trained controller beside the unlearned ones at the same budgets.

python examples/train_and_compare.py [RECIPE]     # "smoke" by default; "quickstart" is the main job
"""

from __future__ import annotations

import sys
import tempfile

import memrl


def main(recipe: str = "smoke") -> None:
    run = memrl.train(memrl.recipe(recipe, out=f"{tempfile.mkdtemp()}/{recipe}"))
    report = memrl.evaluate(run)
    print(f"{recipe}: best keeper {report.oracle}, blind guess {report.floor}")
    for row in report.rows:
        print(f"{row.controller:14s} {row.success:.3f}  [{row.ci95[0]:.3f}, {row.ci95[1]:.3f}]")


if __name__ == "__main__":
    main(*sys.argv[1:2])
