"""What a neural model can be: over the set of a history or over its order, with item features or without."""
