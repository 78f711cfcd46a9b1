"""Write down what a circuit is claimed to do; find out whether it is true."""

__version__ = "0.1.0"
