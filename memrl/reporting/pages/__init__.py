"""One page that shows what became of a memory: every step, what was on offer, what was chosen, what is held.

story.py        the data of a page          of_episode.py   an episode as it was played
page.py         data and page to one file   page.html .css .js   no network, no library
"""
