"""Benchmarks against peers, each in its own environment, and against published numbers.

``python -m bench list`` lists them. This module imports nothing, because the contenders also run where Penchant is not
installed.
"""
