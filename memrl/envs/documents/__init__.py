"""Any stream of text units with questions and evidence as an environment: units arrive, questions follow later.

records    Stream, Unit, Question
check      everything that is wrong with a JSON record
jsonl      files of such records: faults, load, save
sources    what ``data`` names: known sets, files, folders
loaders/   official forms of public data sets -> records, one file each
chunking   long units in pieces, with provenance
episode    theta -> units and questions in the order in which they are shown
tasks      the task source "documents"
"""
