"""Evaluation: protocols cut a log, metrics judge lists, and models are compared on the same cases."""
