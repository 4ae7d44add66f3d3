"""How neural models are trained: one loop, its losses, optimisers and checkpoints."""
