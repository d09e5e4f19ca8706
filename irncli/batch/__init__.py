"""Many files: discover, plan, run. Knows nothing of terminals; says what happens to an observer."""
