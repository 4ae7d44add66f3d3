"""Evaluation: protocols split a log, metrics judge lists, and models are compared on the same cases."""
