"""Building blocks of models: similarities, operators, baselines, stored histories."""
