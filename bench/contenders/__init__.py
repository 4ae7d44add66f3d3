"""The measurements: one module per question, with our code and the peer's side by side.

A module runs in three places: ``prepare`` and ``judge`` in the harness, ``ours`` in our environment, and the peer's
function in the peer's environment. So its head imports only the standard library, NumPy and ``bench``.
"""
