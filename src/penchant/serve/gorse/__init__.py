"""Gorse's nouns in ours: feedback is events, labels are attributes."""
