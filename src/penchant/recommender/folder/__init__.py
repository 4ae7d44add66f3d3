"""The parts of a saved folder: manifest, tensors, items, and how the folder itself comes and goes."""
