"""`python -m circuitlang.cli`."""

from circuitlang.cli import main

main()
