"""One mode a file: which panels a screen shows, and where they lie at each size."""
