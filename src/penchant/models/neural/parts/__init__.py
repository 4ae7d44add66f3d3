"""Building blocks of neural models: the encoder that needs no torch, dropout, sums, passages."""
