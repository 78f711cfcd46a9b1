"""WHERE a thing was written, and what is wrong with it; progress."""
