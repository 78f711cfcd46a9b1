"""Syntax tree -> canonical text, comments kept: parse(format_file(t)) == t, and formatting twice changes
nothing."""

from __future__ import annotations

from circuitlang.language.syntax import tree
from circuitlang.language.syntax.spell import (
    answer_part,
    binding,
    case_head,
    choice,
    name_list,
    sequence,
    spell,
    template,
)
from circuitlang.language.syntax.strings import quoted, tripled

WIDTH = 100  # characters; a line is broken where that helps to stay within
INDENT = "  "
_KEYWORD = {
    tree.Task: "task",
    tree.Corpus: "corpus",
    tree.Model: "model",
    tree.Bridge: "bridge",
    tree.Spec: "spec",
}


def format_file(file: tree.File) -> str:
    """The canonical text of a file, ending in one newline (or empty)."""
    lines: list[str] = []
    heads = [file.version] if file.version else []
    previous: tree.Item | None = None
    for item in [*heads, *file.items]:
        together = isinstance(previous, tree.Use) and isinstance(item, tree.Use)
        blank = item.notes.before[:1] == ("",)
        if previous is not None and not together and not blank:
            lines.append("")
        lines += _with_notes(item, "", keep_blank=previous is not None)
        previous = item
    if file.end:
        lines += ["", *file.end] if lines and file.end[0] else file.end
    return "\n".join(lines) + "\n" if lines else ""


def format_block(block: tree.Block) -> str:
    """The canonical text of one block with its comments, without a newline at the end."""
    return "\n".join(_block(block, ""))


def format_item(item: tree.Item) -> str:
    """The canonical text of one item of a block, without the comments around it."""
    return "\n".join(_item(item, ""))


def bare_text(block: tree.Block) -> str:
    """The text of a block without comments, blank lines and its first sentence, one item a line, every string
    on one line. It depends on the tree's meaning only: layout, comments and the choice of quotes do not
    change it."""
    lines = [_opening(block)]
    for item in block.items:  # type: ignore[attr-defined]
        if isinstance(item, (tree.Section, tree.Circuit)):
            lines += [INDENT + line for line in bare_text(item).split("\n")]
        else:
            lines.append(INDENT + " ".join(_statement(item)))
    return "\n".join([*lines, "}"])


def _opening(block: tree.Block) -> str:
    if isinstance(block, tree.Circuit):
        return "circuit {"
    if isinstance(block, tree.Section):
        return f"{block.name.text} {{"
    return f"{_KEYWORD[type(block)]} {block.name.text} {{"  # type: ignore[attr-defined]


def _with_notes(item: tree.Item, indent: str, keep_blank: bool = True) -> list[str]:
    """An item's lines between its comments."""
    before = list(item.notes.before)
    while before and not before[0] and not keep_blank:
        before = before[1:]
    lines = [indent + line if line else "" for line in before]
    lines += _item(item, indent)
    if item.notes.after:
        lines[-1] += f"  {item.notes.after}"
    return lines


def _item(item: tree.Item, indent: str) -> list[str]:
    if isinstance(item, tree.Block):
        return _block(item, indent)
    if isinstance(item, tree.Doc):
        return [indent + _string(item.text, item.triple, indent)]
    if isinstance(item, tree.Prompt):
        return [f"{indent}prompt {_template(item.template, indent)}"]
    if isinstance(item, tree.Case):
        return _case(item, indent)
    if isinstance(item, (tree.Rule, tree.Draw)):
        return _production(item, indent)
    if isinstance(item, tree.Claim):
        return _claim(item, indent)
    return [indent + " ".join(_statement(item))]


def _block(block: tree.Block, indent: str) -> list[str]:
    items: list[tree.Item] = list(block.items)  # type: ignore[attr-defined]
    doc = getattr(block, "doc", None)
    items = [doc, *items] if doc else items
    if isinstance(block, tree.Section):
        line = _one_line(block, indent)
        if line is not None:
            return [line]
    if not items and not block.end and not block.head:
        return [f"{indent}{_opening(block)[:-1]}{{}}"]
    lines = [indent + _opening(block) + (f"  {block.head}" if block.head else "")]
    for number, item in enumerate(items):
        lines += _with_notes(item, indent + INDENT, keep_blank=number > 0)
    lines += [indent + INDENT + line if line else "" for line in block.end]
    return [*lines, indent + "}"]


def _one_line(block: tree.Section, indent: str) -> str | None:
    """A section on one line, if it carries no comments and fits."""
    if block.head or block.end or any(item.notes.comments for item in block.items):
        return None
    settings = "  ".join(" ".join(_statement(item)) for item in block.items)
    line = f"{indent}{block.name.text} {{ {settings} }}" if settings else f"{indent}{block.name.text} {{}}"
    return line if len(line) <= WIDTH else None


def _production(item: tree.Rule | tree.Draw, indent: str) -> list[str]:
    """A rule or draw: lines filled with alternatives, or one alternative a line if one carries a comment."""
    head, tail = _production_ends(item)
    inner = indent + INDENT
    options = [sequence(option) for option in item.body.options]
    options[-1] += tail
    if not any(option.notes.comments for option in item.body.options):
        lines = [f"{indent}{head} {options[0]}"]
        for option in options[1:]:
            if len(lines[-1]) + len(option) + len(" | ") <= WIDTH:
                lines[-1] += f" | {option}"
            else:
                lines.append(f"{inner}| {option}")
        return lines
    lines = [indent + head]
    for number, (option, text) in enumerate(zip(item.body.options, options, strict=True)):
        lines += [inner + comment for comment in option.notes.before if comment]
        lines.append(f"{inner}{'| ' if number else ''}{text}")
        if option.notes.after and number < len(options) - 1:
            lines[-1] += f"  {option.notes.after}"
    return lines


def _production_ends(item: tree.Rule | tree.Draw) -> tuple[str, str]:
    if isinstance(item, tree.Draw):
        tail = f" except {name_list(item.without)}" if item.without else ""
        return f"draw {name_list(item.names)} =", tail
    depth = f" depth {spell(item.depth)}" if item.depth else ""
    return f"rule {item.name.text}{depth} =", ""


def _case(case: tree.Case, indent: str) -> list[str]:
    """A case: on one line, or its bindings, prompt and answers on lines of their own."""
    multi = case.prompt is not None and _is_triple(case.prompt.template)
    answers = [case.answer.template, *([case.foil.template] if case.foil else [])]
    multi = multi or any(_is_triple(answer) for answer in answers)
    line = indent + " ".join(_statement(case))
    if not multi and len(line) <= WIDTH:
        return [line]
    inner = indent + INDENT
    lines = [f"{indent}case {case.name.text}"]
    for number, each in enumerate(case.bindings):
        comma = "," if number < len(case.bindings) - 1 else ""
        lines.append(f"{inner}{'with ' if number == 0 else '     '}{binding(each)}{comma}")
    if case.prompt:
        lines.append(f"{inner}prompt {_template(case.prompt.template, inner)}")
    negation = "not " if case.answer.negated else ""
    answer = f"{inner}answer {negation}{_template(case.answer.template, inner)}"
    lines.append(answer + (f" foil {_template(case.foil.template, inner)}" if case.foil else ""))
    return lines


def _claim(claim: tree.Claim, indent: str) -> list[str]:
    return [indent + " ".join(_statement(claim))]


def _statement(item: tree.Item) -> list[str]:
    """The words of an item that fits on one line."""
    match item:
        case tree.Version():
            return ["circuitlang", spell(item.number)]
        case tree.Use():
            return ["use", quoted(item.path.text)]
        case tree.Param():
            return ["param", item.name.text, "=", spell(item.value)]
        case tree.Rule() | tree.Draw():
            head, tail = _production_ends(item)
            return [head, choice(item.body) + tail]
        case tree.HoldOut():
            return ["hold out", item.name.text, spell(item.share)]
        case tree.Prompt():
            return ["prompt", template(item.template)]
        case tree.Case():
            return [case_head(item), answer_part(item)]
        case tree.Files():
            return ["files", quoted(item.pattern.text), *_weight(item.weight)]
        case tree.Document():
            return ["document", item.name.text, *_weight(item.weight)]
        case tree.Setting():
            return [item.name.text, "=", spell(item.value)]
        case tree.Role():
            layers = ["in layer", spell(item.layers)] if item.layers else []
            doc = [quoted(item.doc.text)] if item.doc else []
            return ["role", item.name.text + "+" * item.group, "=", item.kind.text, *layers, *doc]
        case tree.Wire():
            return [spell(item)]
        case tree.Never():
            return ["never", spell(item.wire)]
        case tree.Claim():
            return [f"claim {item.name.text}:", spell(item.left), item.relation, spell(item.right)]
    raise TypeError(f"no spelling for {type(item).__name__}")


def _weight(weight: tree.Number | None) -> list[str]:
    return ["weight", spell(weight)] if weight else []


def _is_triple(written: tree.Template) -> bool:
    return written.triple and any("\n" in part for part in written.parts if isinstance(part, str))


def _template(written: tree.Template, indent: str) -> str:
    """A template where line breaks are welcome: triple quotes are kept for text of several lines."""
    if not _is_triple(written):
        return template(written)
    text = "".join(
        part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else f"{{{part.name}}}"
        for part in written.parts
    )
    return tripled(text, indent + INDENT)


def _string(text: str, triple: bool, indent: str) -> str:
    return tripled(text, indent) if triple and "\n" in text else quoted(text)
