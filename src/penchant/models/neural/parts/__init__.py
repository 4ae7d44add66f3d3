"""What neural models are made of: the encoder that answers without torch, dropout, sums, passages."""
