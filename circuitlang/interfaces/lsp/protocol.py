"""What this package finds -> the protocol's types, and the protocol's addresses of files <-> paths."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from lsprotocol import types

from circuitlang.interfaces.lsp.complete_claim import Suggestion
from circuitlang.interfaces.lsp.names import Occurrence
from circuitlang.interfaces.lsp.outline import Fold, Symbol
from circuitlang.interfaces.lsp.positions import Encoding, Text, units
from circuitlang.source.diagnostic import Diagnostic, Span

REFERENCE = Path(__file__).parents[3] / "docs" / "language.md"
"""The page that a code leads to; not there in an installation without the documentation."""
UNUSED = "CIR-033"
Kind = types.CompletionItemKind
_COMPLETIONS = {
    "keyword": Kind.Keyword,
    "setting": Kind.Property,
    "section": Kind.Module,
    "metric": Kind.Function,
    "intervention": Kind.Method,
    "kind": Kind.Class,
    "port": Kind.Field,
    "option": Kind.Property,
    "value": Kind.EnumMember,
    "target": Kind.Constant,
    "mark": Kind.Constant,
    "path": Kind.File,
    "zoo": Kind.Value,
    "name": Kind.Variable,
    "case": Kind.EnumMember,
    "role": Kind.Variable,
}
_SYMBOLS = {
    "task": types.SymbolKind.Class,
    "corpus": types.SymbolKind.Class,
    "model": types.SymbolKind.Struct,
    "spec": types.SymbolKind.Module,
    "bridge": types.SymbolKind.Module,
    "rule": types.SymbolKind.Function,
    "draw": types.SymbolKind.Variable,
    "param": types.SymbolKind.Number,
    "case": types.SymbolKind.EnumMember,
    "prompt": types.SymbolKind.String,
    "section": types.SymbolKind.Namespace,
    "setting": types.SymbolKind.Property,
    "role": types.SymbolKind.Field,
    "claim": types.SymbolKind.Boolean,
}
_TOKENS = {
    "task": "class",
    "corpus": "class",
    "model": "class",
    "spec": "class",
    "bridge": "class",
    "name": "variable",
    "case": "enumMember",
    "role": "parameter",
    "claim": "function",
    "metric": "function",
    "intervention": "method",
    "setting": "property",
    "section": "namespace",
    "option": "property",
    "kind": "type",
    "port": "property",
    "value": "enumMember",
    "target": "enumMember",
    "mark": "enumMember",
}
LEGEND = types.SemanticTokensLegend(list(dict.fromkeys(_TOKENS.values())), ["declaration"])


def path_of(uri: str) -> Path:
    """The file of an address; of a text that is no file yet, a name in the current folder that no file has."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc else parts.path)).resolve()
    return Path.cwd() / quote(uri, safe="")


def range_of(span: Span, text: Text) -> types.Range:
    return text.range(span.start, span.end)


def diagnostic(found: Diagnostic, encoding: Encoding) -> types.Diagnostic:
    """One message at its place, with what would be right, and the other places that it speaks of."""
    warning = found.severity == "warning"
    places = found.related
    related = [
        types.DiagnosticRelatedInformation(location(span, encoding), words)
        for span, words in places
        if span.source.path is not None
    ]
    return types.Diagnostic(
        range_of(found.span, Text(found.span.source.text, encoding)),
        found.message + (f"\nhelp: {found.hint}" if found.hint else ""),
        severity=types.DiagnosticSeverity.Warning if warning else types.DiagnosticSeverity.Error,
        code=found.code,
        code_description=types.CodeDescription(REFERENCE.as_uri()) if REFERENCE.is_file() else None,
        source="circuitlang",
        related_information=related or None,
        tags=[types.DiagnosticTag.Unnecessary] if found.code == UNUSED else None,
    )


def location(span: Span, encoding: Encoding) -> types.Location:
    """A span of a file."""
    assert span.source.path is not None
    return types.Location(address(span.source.path), range_of(span, Text(span.source.text, encoding)))


def address(path: Path) -> str:
    return path.resolve().as_uri()


def suggestion(found: Suggestion, order: int, text: Text, offset: int) -> types.CompletionItem:
    """`order` keeps the order in which they were found: names before keywords."""
    return types.CompletionItem(
        found.label,
        kind=_COMPLETIONS.get(found.kind, Kind.Class),
        detail=found.detail or None,
        documentation=markdown(found.doc) if found.doc else None,
        sort_text=f"{order:04}",
        text_edit=types.TextEdit(text.range(found.start, offset), found.label),
    )


def markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)


def symbol(found: Symbol, text: Text) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        found.name.text,
        _SYMBOLS[found.kind],
        range_of(found.span, text),
        range_of(found.name, text),
        detail=found.detail or found.kind,
        children=[symbol(inner, text) for inner in found.inside],
    )


def fold(found: Fold) -> types.FoldingRange:
    kind = types.FoldingRangeKind.Comment if found.comment else types.FoldingRangeKind.Region
    return types.FoldingRange(found.first, found.last, kind=kind)


def semantic_tokens(names: Iterable[Occurrence], text: Text) -> types.SemanticTokens:
    """Five numbers for each name and word: lines and units from the one before, length, type, modifiers."""
    data: list[int] = []
    line = character = 0
    for each in names:
        if each.key.kind not in _TOKENS or "\n" in each.span.text:
            continue
        start = text.position(each.span.start)
        ahead = start.character - character if start.line == line else start.character
        kind = LEGEND.token_types.index(_TOKENS[each.key.kind])
        data += [
            start.line - line,
            ahead,
            units(each.span.text, text.encoding),
            kind,
            int(each.item is not None),
        ]
        line, character = start.line, start.character
    return types.SemanticTokens(data)
