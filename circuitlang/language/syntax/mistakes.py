"""Every message about a text that is not well formed: one function each, CIR-001 to CIR-019."""

from __future__ import annotations

from circuitlang.source.diagnostic import Diagnostic, Span


def unexpected(span: Span, hint: str | None) -> Diagnostic:
    """Something stands where something else was expected."""
    return Diagnostic("CIR-001", f"`{span.text}` cannot stand here", span, hint)


def unterminated(span: Span, triple: bool) -> Diagnostic:
    """A string without its closing quote."""
    if triple:
        return Diagnostic("CIR-002", "these triple quotes are never closed", span, 'add `"""`')
    hint = "close it, or write text of several lines in triple quotes"
    return Diagnostic("CIR-002", "this string does not end on its line", span, hint)


def unclosed(span: Span) -> Diagnostic:
    """A block without its closing brace."""
    return Diagnostic("CIR-003", f"`{span.text}` is not closed", span, "a `}` is missing")


def bad_character(span: Span, hint: str | None) -> Diagnostic:
    """A character that begins nothing."""
    return Diagnostic("CIR-004", f"the character {span.text!r} cannot stand here", span, hint)


def bad_escape(span: Span) -> Diagnostic:
    """A backslash before something that needs none."""
    hint = r"the escapes are \n \t \\ \" \' \xNN \uNNNN; a backslash itself is \\"
    return Diagnostic("CIR-005", f"unknown escape {span.text}", span, hint)


def bad_hole(span: Span, closed: bool) -> Diagnostic:
    """A brace in a template that is no hole."""
    if not closed:
        text = span.source.text
        nested = text[span.end : span.end + 1] == "{" and span.text[1:].isidentifier()
        hint = "a hole holds one name: give what stands in it a rule of its own" if nested else "write {name}"
        return Diagnostic("CIR-006", "this hole is not closed", span, f"{hint}, or {{{{ for a brace")
    hint = "a hole holds one name, as {name}; give an expression a rule of its own; a brace is {{ or }}"
    return Diagnostic("CIR-006", f"{span.text} is not a hole", span, hint)


def stray_brace(span: Span) -> Diagnostic:
    """A closing brace in a template without an opening one."""
    return Diagnostic("CIR-007", "this brace closes nothing", span, "in a template, write a brace as }}")


def keyword_as_name(span: Span) -> Diagnostic:
    """A name that is a word of the language."""
    source = span.source
    before = source.text[source.line_starts[span.line - 1] : span.start]
    first = span.line > 1 and not before.strip()
    hint = f"choose another name{'; or something is missing at the end of the line before' * first}"
    return Diagnostic("CIR-008", f"`{span.text}` is a keyword and cannot be a name", span, hint)


def bad_number(span: Span, why: str) -> Diagnostic:
    """A number that is too large, too long, or over 0."""
    return Diagnostic("CIR-009", f"{why}", span, None)


def too_deep(span: Span, limit: int) -> Diagnostic:
    """Parentheses inside parentheses, more than 64 deep."""
    return Diagnostic(
        "CIR-010", f"parentheses are nested more than {limit} deep", span, "give a part its own rule"
    )


def too_large(span: Span, limit: int) -> Diagnostic:
    """A file of more than a quarter of a megabyte."""
    return Diagnostic("CIR-011", f"the file has more than {limit} bytes", span, "split it into several files")


def ends_early(span: Span, hint: str | None) -> Diagnostic:
    """A statement that ends before it is complete."""
    return Diagnostic("CIR-012", "something is missing behind this", span, hint)


def not_text(span: Span, why: str, hint: str) -> Diagnostic:
    """A file that is not text in UTF-8."""
    return Diagnostic("CIR-013", f"this is not text in UTF-8: {why}", span, hint)


def other_language(span: Span, language: str) -> Diagnostic:
    """A file in another language."""
    hint = "a program is made of blocks, as `task NAME { … }`, and may begin with `circuitlang 1`"
    if "SPICE" in language:
        hint = f"SPICE shares the extension .cir; {hint}"
    return Diagnostic("CIR-014", f"this looks like {language}, not like circuitlang", span, hint)


def reorders(span: Span) -> Diagnostic:
    """A character that makes a line read otherwise than it is."""
    escape = f"\\u{ord(span.text):04x}"
    message = f"the character {escape} changes the order in which this line is shown"
    return Diagnostic("CIR-015", message, span, f"remove it; inside a text, write {escape}")
