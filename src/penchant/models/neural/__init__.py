"""Neural models: one training loop under all of them; the only code that imports torch, and only to train.

A model's file holds its hyper-parameters and its network as plain functions of named weights. Training and the export
of the encoder need torch; answers come from the exported encoder through ONNX Runtime, in the process that fitted a
model as in one that loaded it.
"""
