"""Words in a schema that JSON Schema doesn't know, where another was meant: they have no effect, and nothing says so.

Of a word that resembles nothing nothing is said: tools and services have their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.diagnostics import Diagnostic, Fix
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key, write
from agentrun.spec.nodes import Node
from agentrun.spec.rules.schemas import parts, schemas_in, types_of
from agentrun.spec.spelling import fold, typos

_WORDS = (
    "$anchor $comment $defs $dynamicAnchor $dynamicRef $id $ref $schema $vocabulary additionalItems "
    "additionalProperties allOf anyOf const contains contentEncoding contentMediaType contentSchema default "
    "definitions dependencies dependentRequired dependentSchemas deprecated description discriminator else enum "
    "example examples exclusiveMaximum exclusiveMinimum externalDocs format if items maxContains maximum maxItems "
    "maxLength maxProperties minContains minimum minItems minLength minProperties multipleOf not nullable oneOf "
    "pattern patternProperties prefixItems properties propertyNames readOnly required then title type "
    "unevaluatedItems unevaluatedProperties uniqueItems writeOnly xml"
)
KNOWN = frozenset(_WORDS.split())
_FOLDED = {fold(word): word for word in KNOWN}
_MEANT = {
    "allowed": "enum",
    "choices": "enum",
    "desc": "description",
    "enums": "enum",
    "max": "maximum",
    "min": "minimum",
    "property": "properties",
    "props": "properties",
    "regex": "pattern",
    "regexp": "pattern",
    "require": "required",
}
# Words that services give a meaning of their own.
_OF_OTHERS = frozenset(
    {"enumNames", "enumDescriptions", "enumTitles", "propertyOrder", "propertyOrdering", "itemsOrder"}
)
_SHORT = 5  # shorter words are near to too many

_FORMAT_NAMES = (
    "date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference "
    "uri-template json-pointer relative-json-pointer regex uuid"
)
_FORMATS = tuple(_FORMAT_NAMES.split())
_FOLDED_FORMATS = {fold(name): name for name in _FORMATS} | {"url": "uri", "guid": "uuid", "timestamp": "date-time"}


def meant_word(word: str) -> str | None:
    """The word of JSON Schema that an unknown one was meant for."""
    if word in KNOWN or word in _OF_OTHERS or word.startswith(("x-", "$")):
        return None
    told = _FOLDED.get(fold(word)) or _MEANT.get(word.lower())
    if told is not None or len(word) < _SHORT:
        return told
    most = 1 if len(word) == _SHORT else 2
    near = [known for known in KNOWN if len(known) >= _SHORT and typos(word, known, most) <= most]
    return near[0] if len(near) == 1 else None


def unknown_words(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for root in schemas_in(document):
        for _, node, schema in parts(root):
            strange = [word for word in schema if word not in KNOWN]
            if strange:
                yield from _unknown_words(catalog, node, schema, strange)
            if "format" in schema:
                yield from _unknown_format(node, schema)


def _unknown_words(catalog: Catalog, node: Node, schema: Mapping[str, Any], strange: list[str]) -> Iterator[Diagnostic]:
    for word in strange:
        meant = meant_word(word)
        place = node.keys[word]
        message = f"`{word}` is no word of JSON Schema: it has no effect"
        if meant is not None and meant not in schema:
            fix = rename_key(catalog.texts, place, word, meant, safe=False)
            yield Diagnostic("AR639", "warning", message, place, f"did you mean `{meant}`?", fix=fix)
        elif schema[word] is None:
            message = f"`{word}` is no word of JSON Schema: the text before it ends at the comma"
            yield Diagnostic("AR639", "warning", message, place, "put the whole text in quotes")
        elif word == "optional" and isinstance(schema[word], bool):
            help = "an argument is optional where the `required` of the schema around it doesn't name it"
            yield Diagnostic("AR639", "warning", message, place, help)
    loose = loose_properties(schema)
    if loose:
        message = f"`{loose[0]}` is no word of JSON Schema: a property stands below `properties`"
        help = f"write `properties: {{{loose[0]}: …}}`"
        yield Diagnostic("AR639", "warning", message, node.keys[loose[0]], help)


def loose_properties(schema: Mapping[str, Any]) -> list[str]:
    """Properties that were written beside `type: object`, without `properties` above them."""
    if "properties" in schema or any(meant_word(word) == "properties" for word in schema):
        return []
    if "object" not in types_of(schema):
        return []
    return [word for word, one in schema.items() if word not in KNOWN and not word.startswith("x-") and _is_schema(one)]


def lacks_properties(schema: Mapping[str, Any]) -> bool:
    """Whether the properties of a schema stand somewhere else, with a finding there."""
    return bool(loose_properties(schema)) or any(meant_word(word) == "properties" for word in schema)


def _is_schema(value: Any) -> bool:
    return isinstance(value, Mapping) and bool({"type", "description", "enum", "$ref", "properties"} & set(value))


def _unknown_format(node: Node, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    written = node.get("format")
    if written is None or not isinstance(written.content, str) or written.content in _FORMATS:
        return
    name = written.content
    near = [known for known in _FORMATS if len(name) >= _SHORT + 1 and typos(name, known, 1) <= 1]
    meant = _FOLDED_FORMATS.get(fold(name)) or (near[0] if len(near) == 1 else None)
    if meant is not None:
        message = f"`{name}` is no format of JSON Schema: it has no effect"
        fix: Fix | None = write(written, meant, safe=False)
        yield Diagnostic("AR639", "warning", message, written.span, f"did you mean `{meant}`?", fix=fix)


RULES = (unknown_words,)
