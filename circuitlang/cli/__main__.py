"""`python -m circuitlang.cli`."""

from circuitlang.cli import main

if __name__ == "__main__":  # processes that search import this file too
    main()
