"""Kinds of models: the base of all models, and the abilities that several share."""
