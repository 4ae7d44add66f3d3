"""What a model can be: the base of all models, and the abilities that several share."""
