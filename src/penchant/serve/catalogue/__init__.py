"""The catalogue as it is now: what was saved with the model and what was changed since."""
