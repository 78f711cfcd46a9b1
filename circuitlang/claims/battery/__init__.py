"""A CIRCUIT -> WHAT EVERY CIRCUIT GOES THROUGH, whatever is claimed of it."""
