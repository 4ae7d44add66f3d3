"""The live catalogue: what was saved with the model, and the changes since."""
