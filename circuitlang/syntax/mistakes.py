"""Every message about a text that is not well formed: one function each, CIR-001 to CIR-019."""

from __future__ import annotations

from circuitlang.source import Diagnostic, Span


def unexpected(span: Span, found: str, hint: str | None) -> Diagnostic:
    return Diagnostic("CIR-001", f"{found} cannot stand here", span, hint)


def unterminated(span: Span) -> Diagnostic:
    return Diagnostic(
        "CIR-002", "this string does not end on its line", span, "close it, or write it in triple quotes"
    )


def unclosed(span: Span, what: str) -> Diagnostic:
    return Diagnostic("CIR-003", f"this {what} is not closed", span, "a `}` is missing")


def bad_character(span: Span) -> Diagnostic:
    return Diagnostic(
        "CIR-004", f"the character {span.text!r} means nothing here", span, "text stands in quotes"
    )


def bad_escape(span: Span) -> Diagnostic:
    hint = r"the escapes are \n \t \\ \" \' \xNN \uNNNN; a backslash itself is \\"
    return Diagnostic("CIR-005", f"unknown escape {span.text}", span, hint)


def bad_hole(span: Span, closed: bool) -> Diagnostic:
    if not closed:
        return Diagnostic("CIR-006", "this hole is not closed", span, "write {name}, or {{ for a brace")
    hint = "a hole holds one name, as {name}; give an expression a rule of its own; a brace is {{ or }}"
    return Diagnostic("CIR-006", f"{span.text} is not a hole", span, hint)


def stray_brace(span: Span) -> Diagnostic:
    return Diagnostic("CIR-007", "this brace closes nothing", span, "in a template, write a brace as }}")


def keyword_as_name(span: Span) -> Diagnostic:
    return Diagnostic(
        "CIR-008", f"`{span.text}` is a keyword and cannot be a name", span, "choose another name"
    )


def bad_number(span: Span, why: str) -> Diagnostic:
    return Diagnostic("CIR-009", f"{why}", span, None)


def too_deep(span: Span, limit: int) -> Diagnostic:
    return Diagnostic(
        "CIR-010", f"parentheses are nested more than {limit} deep", span, "give a part its own rule"
    )


def too_large(span: Span, limit: int) -> Diagnostic:
    return Diagnostic("CIR-011", f"the file has more than {limit} bytes", span, "split it into several files")
