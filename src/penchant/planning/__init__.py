"""Memory and time of every step, before it is taken."""
