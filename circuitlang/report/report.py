"""Report: everything one check found out, and all that is needed to do it again; the text of report.json."""

from __future__ import annotations

import json
from typing import Self

from circuitlang.report.escape import no_command
from circuitlang.report.json_text import rounded_floats
from circuitlang.report.notebook import notebook_html
from circuitlang.report.results import ReportData


class Report(ReportData):
    """One check of one spec. The same inputs give the same bytes, but for `seconds` and `cached`."""

    def _repr_html_(self) -> str:
        return notebook_html(self)

    def to_json(self, timings: bool = True) -> str:
        """What `report.json` holds, in ASCII. Without timings, equal inputs give equal bytes."""
        data = self.model_dump(mode="json", by_alias=True, exclude=None if timings else {"seconds", "cached"})
        seconds = {stage: round(value, 3) for stage, value in data.pop("seconds", {}).items()}
        rounded = rounded_floats(data)
        if timings:
            rounded["seconds"] = seconds
        return no_command(json.dumps(rounded, indent=1, allow_nan=False), r"\u005b") + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises ValueError (pydantic's, with every place) when the text is not a report of this schema."""
        return cls.model_validate(json.loads(text))
