"""OPEN TEXTS -> WHAT AN EDITOR SHOWS. What is right is the checker's to say, what a word means the tables'."""
