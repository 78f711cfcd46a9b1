"""Models that others trained, read from their files and written to ours, and ours written for others."""
