"""What is promised about the language, each with a command that shows it and prints its figure."""
