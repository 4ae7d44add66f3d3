"""Training by itself: candidates and the active recipe on the same cases, the winner refitted, checked, activated."""
