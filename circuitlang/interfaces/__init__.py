"""OPTIONS IN, ONE CALL, EXIT STATUS OUT: the command, Python, pytest, editors."""
