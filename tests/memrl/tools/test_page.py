"""What docs/tools.md shows does what it says."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "tools.md").read_text(encoding="utf-8")


def test_the_block_of_the_page_runs():
    [block] = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.S | re.M)
    exec(block, {"__name__": "page"})
