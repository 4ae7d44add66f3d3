"""Answers: personal lists, lists for nobody in particular, filters, and the models that make them."""
