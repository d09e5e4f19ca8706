"""Weight files: which there are, how they are checked, how they become networks."""
