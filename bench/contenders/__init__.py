"""What is measured: one module a question, with ours and theirs side by side.

A module runs in three places: ``prepare`` and ``judge`` in the harness, ``ours`` in our environment, the peer's
function in the peer's. So it imports nothing but the standard library and NumPy at its head.
"""
