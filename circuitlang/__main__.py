"""`python -m circuitlang`, for launchers that start modules: the same as the command `circuitlang`."""

from circuitlang.interfaces.cli.main import main

if __name__ == "__main__":
    main()
