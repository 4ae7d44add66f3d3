"""What models are made of: similarities, operators, baselines, kept histories."""
