"""The language server: what the protocol asks -> one function each, over stdio."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from circuitlang import __version__
from circuitlang.interfaces.lsp import protocol
from circuitlang.interfaces.lsp.complete import complete
from circuitlang.interfaces.lsp.complete_claim import signature_help
from circuitlang.interfaces.lsp.describe import hover
from circuitlang.interfaces.lsp.outline import folds, symbols
from circuitlang.interfaces.lsp.positions import Text
from circuitlang.interfaces.lsp.project import Unit, use_target
from circuitlang.interfaces.lsp.references import Place, declarations, references, renamable, rename
from circuitlang.interfaces.lsp.session import Session, fix
from circuitlang.language.syntax.format import format_file
from circuitlang.language.syntax.parse import parse
from circuitlang.source.diagnostic import CommandError, ProgramError

_REFUSED = -32803  # RequestFailed: the request was right, and what it asks for cannot be done


def serve() -> None:
    """Answer an editor on standard input and output until it says exit."""
    make_server().start_io()


class _Protocol(LanguageServerProtocol):
    """The library's, but for two things. It does not answer a request whose parameters are not those of the protocol.
    And it applies changes to a text of its own, which is not read here; where that has line ends that the protocol does
    not know (a form feed), it moves the positions of the change itself."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], None, error.to_response_error())
            raise

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Generator[Any]:
        handler = self.fm.features.get(types.TEXT_DOCUMENT_DID_CHANGE)
        if handler is not None:
            yield handler, (params,), None


def make_server() -> LanguageServer:
    """A server with one session."""
    server = LanguageServer("circuitlang", __version__, protocol_cls=_Protocol)
    session = Session(server.text_document_publish_diagnostics)
    _follow(server, session)
    _answer_about_places(server, session)
    _answer_about_files(server, session)
    return server


def _at(session: Session, uri: str, position: types.Position) -> tuple[Unit, Text, int] | None:
    unit = session.unit(uri)
    if unit is None:
        return None
    text = session.project.text(unit.source)
    return unit, text, text.offset(position)


def _follow(server: LanguageServer, session: Session) -> None:
    """What the editor tells."""

    @server.feature(types.INITIALIZED)
    def _initialized(_: types.InitializedParams) -> None:
        encoding = server.workspace.position_encoding or types.PositionEncodingKind.Utf16
        session.project.encoding = types.PositionEncodingKind(encoding).value  # type: ignore[assignment]

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _open(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        session.open(document.uri, document.version, document.text)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def _change(params: types.DidChangeTextDocumentParams) -> None:
        document = params.text_document
        session.change(document.uri, document.version, list(params.content_changes))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _close(params: types.DidCloseTextDocumentParams) -> None:
        session.close(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _save(_: types.DidSaveTextDocumentParams) -> None:
        session.files_changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def _watched(_: types.DidChangeWatchedFilesParams) -> None:
        session.files_changed()


def _answer_about_places(server: LanguageServer, session: Session) -> None:
    """What the editor asks about a place in a text."""
    project = session.project

    def location(place: Place) -> types.Location:
        span = place.occurrence.span
        range = protocol.range_of(span, project.text(span.source))
        return types.Location(session.address(place.unit.path), range)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def _hover(params: types.HoverParams) -> types.Hover | None:
        at = _at(session, params.text_document.uri, params.position)
        found = hover(project, at[0], at[2]) if at else None
        if at is None or found is None:
            return None
        return types.Hover(protocol.markdown(found[0]), protocol.range_of(found[1], at[1]))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _definition(params: types.DefinitionParams) -> list[types.Location]:
        at = _at(session, params.text_document.uri, params.position)
        found = at[0].at(at[2]) if at else None
        if at is None or found is None:
            return []
        if found.key.kind == "file":
            target = use_target(at[0].path, found.key.name)
            start = types.Position(0, 0)
            there = target is not None and project.unit(target) is not None
            return (
                [types.Location(session.address(target), types.Range(start, start))]
                if target and there
                else []
            )
        return [location(place) for place in declarations(project, at[0].path, found.key)]

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def _references(params: types.ReferenceParams) -> list[types.Location]:
        at = _at(session, params.text_document.uri, params.position)
        found = at[0].at(at[2]) if at else None
        if at is None or found is None:
            return []
        declared = params.context.include_declaration
        places = references(project, at[0].path, found.key)
        return [location(place) for place in places if declared or place.occurrence.item is None]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def _highlight(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        at = _at(session, params.text_document.uri, params.position)
        found = at[0].at(at[2]) if at else None
        if at is None or found is None:
            return []
        same = (each for each in at[0].names if each.key == found.key)
        return [types.DocumentHighlight(protocol.range_of(each.span, at[1])) for each in same]

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def _prepare_rename(params: types.PrepareRenameParams) -> types.Range | None:
        at = _at(session, params.text_document.uri, params.position)
        try:
            return protocol.range_of(renamable(project, at[0], at[2]).span, at[1]) if at else None
        except CommandError as error:
            raise JsonRpcException(str(error), _REFUSED) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def _rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        at = _at(session, params.text_document.uri, params.position)
        if at is None:
            return None
        try:
            places = rename(project, at[0], at[2], params.new_name)
        except CommandError as error:
            raise JsonRpcException(str(error), _REFUSED) from None
        changes: dict[str, list[types.TextEdit]] = {}
        for place in places:
            found = location(place)
            changes.setdefault(found.uri, []).append(types.TextEdit(found.range, params.new_name))
        return types.WorkspaceEdit(changes=changes)

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=["{", ".", '"', "'", "/", "(", "=", ",", ":", ">"]),
    )
    def _complete(params: types.CompletionParams) -> types.CompletionList:
        at = _at(session, params.text_document.uri, params.position)
        found = complete(project, at[0], at[2]) if at else []
        items = [protocol.suggestion(each, n, at[1], at[2]) for n, each in enumerate(found)] if at else []
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(
        types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpOptions(trigger_characters=["(", ","])
    )
    def _signature_help(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        at = _at(session, params.text_document.uri, params.position)
        found = signature_help(at[1].text, at[2]) if at else None
        if found is None:
            return None
        doc = protocol.markdown(found.doc)
        return types.SignatureHelp(
            [types.SignatureInformation(label, doc, []) for label in found.labels], 0, found.active
        )


def _answer_about_files(server: LanguageServer, session: Session) -> None:
    """What the editor asks about a whole text."""
    project = session.project

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def _format(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        path = protocol.path_of(params.text_document.uri)
        unit, text = project.unit(path), project.open.get(path)
        if unit is None or text is None:
            return []
        try:
            new = format_file(parse(unit.source))
        except ProgramError:
            return []
        return [] if new == unit.source.text else [types.TextEdit(text.range(0, len(text.text)), new)]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        unit = session.unit(params.text_document.uri)
        found = symbols(unit.file) if unit else []
        return [protocol.symbol(each, project.text(unit.source)) for each in found] if unit else []

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    def _folds(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        unit = session.unit(params.text_document.uri)
        return [protocol.fold(each) for each in folds(unit.source.text)] if unit else []

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, protocol.LEGEND)
    def _tokens(params: types.SemanticTokensParams) -> types.SemanticTokens:
        unit = session.unit(params.text_document.uri)
        if unit is None:
            return types.SemanticTokens([])
        return protocol.semantic_tokens(unit.names, project.text(unit.source))

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    def _actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        unit = session.unit(uri)
        actions: list[types.CodeAction] = []
        for each in session.shown.get(protocol.path_of(uri), []):
            new = fix(each)
            if unit is None or new is None or each.span.source.text != unit.source.text:
                continue
            shown = protocol.diagnostic(each, project.encoding)
            if shown.range.start <= params.range.end and params.range.start <= shown.range.end:
                edit = types.WorkspaceEdit(changes={uri: [types.TextEdit(shown.range, new)]})
                title = f"Write `{new}`"
                kind = types.CodeActionKind.QuickFix
                actions.append(types.CodeAction(title, kind, [shown], edit=edit, is_preferred=True))
        return actions
