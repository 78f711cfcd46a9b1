"""The other verbs: train, prune, draft, frontier, show."""
