"""A log on disk in the order of histories: read once in batches, then mapped into memory however large it is."""
