"""Official forms of public data sets, read into streams: one file each, with ``load(path)`` and what the form is.

Facts and labels are those of the data sets; where a unit is a sentence and the label is not, how it was narrowed down
stands in the file. Where a form also comes in rows from a hub, ``from_rows`` reads those.
"""
