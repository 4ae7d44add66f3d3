"""Benchmarks: against peers in environments of their own, and against published numbers.

``python -m bench list`` names them. Nothing is imported here: the contenders also run where Penchant is not installed.
"""
