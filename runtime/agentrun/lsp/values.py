"""Findings, choices and symbols as the protocol's values."""

from __future__ import annotations

from lsprotocol import types

from agentrun.lsp.completion import Choice
from agentrun.lsp.positions import Positions, Range
from agentrun.lsp.symbols import Symbol

SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}
_KINDS = {
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "tool": types.CompletionItemKind.Function,
    "agent": types.CompletionItemKind.Class,
    "variable": types.CompletionItemKind.Variable,
}
_SYMBOLS = {
    "mapping": types.SymbolKind.Object,
    "list": types.SymbolKind.Array,
    "text": types.SymbolKind.String,
    "number": types.SymbolKind.Number,
    "boolean": types.SymbolKind.Boolean,
    "nothing": types.SymbolKind.Null,
}
UNUSED = ("AR106", "AR414", "AR42", "AR630")  # what could be left out: editors show it faded


def range_of(places: Range) -> types.Range:
    begin, end = places
    return types.Range(types.Position(*begin), types.Position(*end))


def item_of(number: int, choice: Choice, place: types.Range) -> types.CompletionItem:
    about = types.MarkupContent(types.MarkupKind.Markdown, choice.about) if choice.about else None
    return types.CompletionItem(
        label=choice.label,
        kind=_KINDS[choice.what],
        detail=choice.detail or None,
        documentation=about,
        sort_text=f"{number:04}",
        filter_text=choice.label,
        text_edit=types.TextEdit(place, choice.text or choice.label),
    )


def symbol_of(symbol: Symbol, positions: Positions) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=symbol.name,
        kind=_SYMBOLS[symbol.what],
        range=range_of(positions.range(symbol.whole)),
        selection_range=range_of(positions.range(symbol.own)),
        children=[symbol_of(one, positions) for one in symbol.children],
    )
