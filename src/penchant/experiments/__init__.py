"""Experiments: who gets which arm, and what may be believed of the outcomes at any time."""
