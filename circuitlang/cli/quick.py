"""`check --no-run PATH…` without the machinery of options, which takes longer to load than most programs to check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def quick(arguments: Sequence[str]) -> bool:
    """Whether the arguments are this command and nothing else; then it is done. Raises what `check` raises."""
    paths = [each for each in arguments[1:] if each != "--no-run"]
    if arguments[:1] != ["check"] or len(paths) != len(arguments) - 2 or not paths:
        return False
    if any(path.startswith("-") for path in paths):
        return False
    from circuitlang.authoring import check_text
    from circuitlang.cli.console import say_checked, tell

    programs, warnings = check_text([Path(path) for path in paths])
    tell(warnings)
    say_checked(programs)
    return True
