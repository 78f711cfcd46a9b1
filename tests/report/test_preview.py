"""What a preview shows: the same text with colours and without, and nothing of the user's commands the terminal."""

import re
import unicodedata
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from circuitlang.interfaces.cli.author_commands import coloured, text_diff
from circuitlang.language.program.load import load, load_text
from circuitlang.language.program.task import Task
from circuitlang.prompts.cues import cues
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.prompt import Datapoint, Mark, Prompt
from circuitlang.report.preview import cue_data, cue_lines, preview_data, preview_lines
from tests.report.test_hostile import HOSTILE, harmless

ROOT = Path(__file__).parents[2]


def brackets() -> Task:
    return load(ROOT / "tasks/bracket_counting.task").tasks["bracket_counting"]


def one_case() -> Task:
    return load_text(
        'task t { draw w = "a" | "b" prompt "{w}{x}" case c with x = "1" | "2" answer "y" foil "n" }'
    ).tasks["t"]


def datapoint(text: str) -> Datapoint:
    """A prompt whose every second character is a mark, and whose middle is the case's own."""
    marks = [Mark("w", at, at + 1) for at in range(0, len(text), 2)]
    marks.append(Mark("x", len(text) // 3, 2 * len(text) // 3 + 1))
    ordered = tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))
    return Datapoint("test", 1, (Prompt("c", text, text, (text + "2",), True, ordered, {"w": text}),), True)


def plain(lines: list[Text]) -> str:
    return "\n".join(line.plain for line in lines)


def test_the_text_of_a_preview(golden) -> None:
    task = brackets()
    golden(
        "preview.txt",
        plain(list(preview_lines(task, list(Generator(task, 0).datapoints("test", range(2)))))) + "\n",
    )


def test_colours_add_a_legend_and_take_the_underlines_away() -> None:
    task = brackets()
    datapoints = list(Generator(task, 0).datapoints("train", range(3)))
    without = plain(list(preview_lines(task, datapoints))).split("\n")
    legend, _, *coloured_lines = preview_lines(task, datapoints, colour=True)
    assert [line.plain for line in coloured_lines] == [
        line for line in without if not re.fullmatch(r" +\| +~+", line)
    ]
    styles = {legend.plain[span.start : span.end]: str(span.style) for span in legend.spans}
    assert {"fn", "list", "row"} <= set(styles)
    own = [
        line.plain[span.start : span.end]
        for line in coloured_lines
        for span in line.spans
        if "underline" in str(span.style)
    ]
    wanted = [
        prompt.text[part["start"] : part["end"]]
        for prompt, row in zip(
            (p for d in datapoints for p in d.prompts), preview_data(task, datapoints), strict=True
        )
        for part in row["own"]
    ]
    assert "".join(own) == "".join(wanted)


def test_a_held_out_choice_is_named() -> None:
    task = brackets()
    texts = plain(list(preview_lines(task, list(Generator(task, 0).datapoints("test", range(12))))))
    heads = re.findall(r"^bracket_counting test\[(\d+)\](.*)$", texts, re.M)
    assert [bool(rest) for _, rest in heads] == [int(index) % 2 == 1 for index, _ in heads]
    named = {name for _, rest in heads for name in re.findall(r"`(\w+)`", rest)}
    train = plain(list(preview_lines(task, list(Generator(task, 0).datapoints("train", range(40))))))
    assert named
    assert not [name for name in named if f"var=`{name}`" in train or f"other=`{name}`" in train]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("colour", [False, True])
def test_hostile_prompts_do_nothing(text: str, colour: bool) -> None:
    file = StringIO()
    console = Console(
        file=file, force_terminal=colour, color_system="standard" if colour else None,
        highlight=False, emoji=False, width=80,
    )  # fmt: skip
    for line in preview_lines(one_case(), [datapoint(text)], colour):
        console.print(line, markup=False, soft_wrap=True)
    shown = file.getvalue().encode("utf-8").decode("utf-8")
    harmless(shown, colour)
    assert ":smile:" in shown or ":smile:" not in text


def test_blanks_at_the_end_of_a_prompt_are_seen() -> None:
    lines = plain(list(preview_lines(one_case(), [datapoint("a  \nb  ")])))
    assert r"| b\x20\x20" in lines
    assert "| a  \n" in lines


def test_many_texts_of_one_mark_are_counted() -> None:
    assert "(+44)" in plain(list(preview_lines(one_case(), [datapoint("ab" * 50)])))


def test_the_text_of_a_table_of_cues(golden) -> None:
    task = brackets()
    found = cues(task)
    golden("cues.txt", plain(list(cue_lines(task, found, "train", "words"))) + "\n")
    data = cue_data(task, found, "train", "words")
    assert len(data["cues"]) == data["scored"] == 17
    assert [row["warning"] for row in data["cues"]].count(True) == 2


def test_a_diff_is_one_that_patch_takes() -> None:
    old, new = "a\nb\u2028c\nd", "a\nb\u2028c\nd\n"
    made = text_diff("x.task", old, new)
    assert made == (
        "--- x.task\n+++ x.task\n@@ -1,3 +1,3 @@\n a\n b\u2028c\n-d\n\\ No newline at end of file\n+d\n"
    )
    lines = list(coloured(made))
    assert [str(line.style) for line in lines[:2]] == ["bold", "bold"]
    assert [str(line.style) for line in lines[-3:]] == ["red", "", "green"]
    assert all(unicodedata.category(c) != "Zl" for line in lines for c in line.plain)
