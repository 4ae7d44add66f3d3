"""Kinds of neural models: over the set of a history or over its order, with or without item features."""
