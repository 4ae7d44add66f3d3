"""Neural models: one training loop for all of them; the only code that imports torch, and only for training.

A model's file holds its hyper-parameters and its network as plain functions of named weights. Training and the export
of the encoder need torch. Answers come from the exported encoder through ONNX Runtime, both in the process that fitted
a model and in one that loaded it.
"""
