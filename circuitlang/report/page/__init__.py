"""REPORT + EXHIBIT -> ONE HTML FILE that needs nothing else: no network, no other file, no code that was not here."""
