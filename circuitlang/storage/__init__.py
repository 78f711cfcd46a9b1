"""FILES written whole or not at all, and the cache of results."""
