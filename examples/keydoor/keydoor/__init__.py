"""A game of sixty steps: notes that are seen early say which key opens which door, and the doors come late."""
