"""Text games of TextWorld (arXiv:1806.11532), generated offline: ``pip install 'memrl[textworld]'``.

theta        axes of a game, options of the source
generate     theta and seed -> a game file, in a process of its own
worker       that process
library      game files by what they were generated from; files that somebody gives
reading      what a game prints, cleaned and cut into pieces
interpreter  one game: commands in; text, score and admissible commands out
episode      games played one after the other
walkthrough  a way that wins
env          the task source "textworld"
"""

from importlib.util import find_spec

from memrl.contracts.errors import MissingExtra

if find_spec("textworld") is None:
    raise MissingExtra("env.name = 'textworld' needs a package: pip install 'memrl[textworld]'")
