"""What Python code is offered: a model to look into, and the verbs of the command line as functions."""
