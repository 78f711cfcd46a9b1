"""Datapoints, a corpus or a task's cues -> what a terminal shows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby, islice
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from circuitlang.language.program.recipe import Corpus
from circuitlang.language.program.task import Task
from circuitlang.prompts.cues import CHANCE, CONFIDENCE, Cue, Cues
from circuitlang.prompts.draw import held_out_texts
from circuitlang.prompts.features import Range, case_spans
from circuitlang.prompts.predictable import Predictable
from circuitlang.prompts.prompt import Datapoint, Prompt, Split
from circuitlang.report.escape import visible
from circuitlang.source.visible import RUNNER_COMMAND

_COLOURS = (
    "cyan",
    "magenta",
    "yellow",
    "blue",
    "bright_cyan",
    "bright_magenta",
    "bright_yellow",
    "bright_blue",
)
_ANSWER, _FOIL, _OWN, _HELD_OUT = "bold green", "red", "bold underline", "bold yellow"
_SHOWN = 6  # texts of one mark that are listed


def preview_lines(task: Task, datapoints: Sequence[Datapoint], colour: bool = False) -> Iterator[Text]:
    """Every prompt with its answer, its foils and which text carries which mark. The case's own text is underlined: by
    the terminal where there are colours, else by a line below."""
    own, held = case_spans(task), held_out_texts(task)
    names = dict.fromkeys(mark.name for d in datapoints for prompt in d.prompts for mark in prompt.marks)
    styles = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    if colour:
        legend = Text("marks ").append_text(
            Text(" ").join(Text(name, style) for name, style in styles.items())
        )
        yield legend.append("; underlined", _OWN).append(": what only this case says")
        yield Text()
    for datapoint in datapoints:
        head = Text(f"{task.name} {datapoint.split}[{datapoint.index}]", "bold")
        if datapoint.held_out:
            draws = datapoint.prompts[0].draws
            out = [
                f"{name} = `{visible(draws[name])}`" for name, texts in held.items() if draws[name] in texts
            ]
            head.append(f", held out: {', '.join(out)}", _HELD_OUT)
        yield head
        for prompt in datapoint.prompts:
            yield Text(f"  case {prompt.case}")
            yield from _text_lines(prompt, own(prompt), styles, colour)
            yield _answers(prompt)
            yield _marks(prompt, styles)


def _text_lines(
    prompt: Prompt, own: Sequence[Range], styles: Mapping[str, str], colour: bool
) -> Iterator[Text]:
    text = prompt.text
    paint = [""] * len(text)
    for mark in prompt.marks:  # outer before inner: the inner one is seen
        paint[mark.start : mark.end] = [styles[mark.name]] * (mark.end - mark.start)
    is_own = [False] * len(text)
    for start, end in own:
        is_own[start:end] = [True] * (end - start)
    for command in RUNNER_COMMAND.finditer(text):  # `visible` breaks up what it sees whole
        for at in range(command.start() + 1, command.end()):
            paint[at], is_own[at] = paint[command.start()], is_own[command.start()]
    start = 0
    for line in text.split("\n"):
        shown, below = Text("    | "), "    | "
        places = range(start, start + len(line))
        start += len(line) + 1
        for (style, underlined), group in groupby(places, lambda at: (paint[at], is_own[at])):
            piece = visible("".join(text[at] for at in group))
            shown.append(piece, f"{style} {_OWN if underlined else ''}".strip())
            below += ("~" if underlined else " ") * cell_len(piece)
        blanks = len(line) - len(line.rstrip(" "))
        if blanks and start > len(text):  # at the end of a prompt they decide what its last token is
            shown.right_crop(blanks)
            shown.append(r"\x20" * blanks, "dim")
        yield shown
        if "~" in below and not colour:
            yield Text(below.rstrip())


def _answers(prompt: Prompt) -> Text:
    line = (
        Text("    answer ")
        .append("not " if prompt.negated else "")
        .append(f"`{visible(prompt.answer)}`", _ANSWER)
    )
    if prompt.foils:
        line.append("   foils ").append(" ".join(f"`{visible(foil)}`" for foil in prompt.foils), _FOIL)
    return line


def _marks(prompt: Prompt, styles: Mapping[str, str]) -> Text:
    """Each mark once, with its first texts."""
    texts: dict[str, list[str]] = {}
    for mark in prompt.marks:
        texts.setdefault(mark.name, []).append(f"`{visible(prompt.text[mark.start : mark.end])}`")
    line = Text("    marks ")
    for name, found in texts.items():
        more = f" (+{len(found) - _SHOWN})" if len(found) > _SHOWN else ""
        line.append(f" {name}", styles[name]).append(f"={' '.join(found[:_SHOWN])}{more} ")
    line.rstrip()
    return line


def preview_data(task: Task, datapoints: Sequence[Datapoint]) -> list[dict[str, Any]]:
    """The same as plain data, one entry per prompt. `own`: the ranges of the case's own text."""
    own = case_spans(task)
    return [
        {
            "split": datapoint.split,
            "index": datapoint.index,
            "held_out": datapoint.held_out,
            "case": prompt.case,
            "text": prompt.text,
            "answer": prompt.answer,
            "foils": list(prompt.foils),
            "negated": prompt.negated,
            "marks": [{"name": m.name, "start": m.start, "end": m.end} for m in prompt.marks],
            "own": [{"start": start, "end": end} for start, end in own(prompt)],
        }
        for datapoint in datapoints
        for prompt in datapoint.prompts
    ]


def corpus_lines(
    corpus: Corpus, documents: Sequence[str], found: Mapping[str, Predictable], tokens: str
) -> Iterator[str]:
    """`tokens`: whose tokens were counted, in words."""
    for number, text in enumerate(documents):
        yield f"{corpus.name} document {number}"
        yield from (f"  | {visible(line)}" for line in text.splitlines())
        yield ""
    yield f"{corpus.name}: of its tokens ({visible(tokens)}) can be predicted"
    yield "  by a table: what most often follows the token before, in other documents"
    yield "  by copying: what followed the token before where it last stood in the same document"
    yield "  only by copying: where the table is wrong; without much of it no head learns to copy"
    yield f"{'':8}{'tokens':>12}{'table':>10}{'copying':>10}{'only copying':>15}"
    for stream, share in found.items():
        yield (f"{stream:8}{share.tokens:>12,}{share.table:>10.1%}{share.copying:>10.1%}{share.alone:>15.1%}")


def corpus_data(
    corpus: Corpus, documents: Sequence[str], found: Mapping[str, Predictable], tokens: str
) -> dict[str, Any]:
    predictable = {stream: asdict(share) for stream, share in found.items()}
    return {"corpus": corpus.name, "tokens": tokens, "documents": list(documents), "predictable": predictable}


_ROWS = 12  # cues of a kind that are listed; the data hold all
_TEXTS = 3  # tokens of a rule that are named


def cue_lines(task: Task, cues: Cues, split: Split, tokens: str) -> Iterator[Text]:
    """Strongest first, each with its number. `tokens`: whose tokens were counted, in words."""
    yield Text(f"{task.name}: what tells its cases apart", "bold")
    yield Text(
        f"{cues.datapoints} datapoints of {split}; the {cues.scored} rules were chosen on as many others; "
        f"chance is {CHANCE:.0%}"
    )
    yield Text(f"intervals hold all together at confidence {CONFIDENCE:g}; tokens are {visible(tokens)}")
    telling = [cue for cue in cues.found if cue.low > CHANCE]
    shortcuts = [cue for cue in telling if not cue.own]
    if shortcuts:
        yield from _section("shortcuts: a circuit may use these instead of the task", shortcuts, task)
    if own := [cue for cue in telling if cue.own]:
        yield from _section("counts of the cases' own text: each may be the task itself", own, task)
    if not shortcuts:
        yield Text()
        yield Text("no shortcut found", "green")


def _section(title: str, cues: Sequence[Cue], task: Task) -> Iterator[Text]:
    yield Text()
    yield Text(title, "bold")
    for cue in islice(cues, _ROWS):
        which = f" (`{cue.cases[0]}` from `{cue.cases[1]}`)" if len(task.cases) > 2 else ""
        style = "bold red" if cue.is_shortcut else ""
        share = Text(f"  {cue.accuracy:>4.0%}", style).append(
            f" {f'{cue.low:.0%} … {cue.high:.0%}':<12}", "dim"
        )
        yield share.append(f" {visible(str(cue.feature))}{which}")
        yield Text(f"{'':<20}{visible(rule(cue))}", "dim")
    if len(cues) > _ROWS:
        yield Text(f"  … and {len(cues) - _ROWS} more; --format json lists all")


def rule(cue: Cue) -> str:
    """What the cue says of a prompt, and how often the prompts of a datapoint differ in it."""
    if cue.table is not None:
        said = [f"{token!r}: `{case}`" for token, case in islice(cue.table.items(), _TEXTS)]
        return ", ".join(said) + (f", and {len(cue.table) - _TEXTS} more" if len(cue.table) > _TEXTS else "")
    return (
        f"`{cue.upper}` from {cue.threshold} on; AUROC {cue.auroc:.2f}; "
        f"larger in `{cue.upper}` in {cue.larger:.0%} of datapoints, smaller in {cue.smaller:.0%}"
    )


def cue_data(task: Task, cues: Cues, split: Split, tokens: str) -> dict[str, Any]:
    """Everything that was scored, strongest first."""
    return {
        "task": task.name,
        "split": split,
        "tokens": tokens,
        "datapoints": cues.datapoints,
        "scored": cues.scored,
        "confidence": CONFIDENCE,
        "chance": CHANCE,
        "cues": [
            {
                "feature": cue.feature.kind,
                "text": cue.feature.text or None,
                "cases": list(cue.cases),
                "own": cue.own,
                "warning": cue.is_shortcut,
                "accuracy": cue.accuracy,
                "low": cue.low,
                "high": cue.high,
                "upper": None if cue.threshold is None else cue.upper,
                "threshold": cue.threshold,
                "table": None if cue.table is None else dict(cue.table),
                "auroc": cue.auroc,
                "larger": cue.larger,
                "smaller": cue.smaller,
            }
            for cue in cues.found
        ],
    }
