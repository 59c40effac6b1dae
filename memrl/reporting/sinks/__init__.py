"""Metric sinks, one a file, each importing its package only when it is named in ``logging.sinks``."""
