"""The way back: nulls that stand for absent properties are taken out, and the author's schema judges what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentrun.json_schema import Validator, Violation
from agentrun.strict.routes import allows_null, is_followed, part_validator, resolve
from agentrun.strict.schema import StrictSchema


class StrictCheck:
    """Judges by the author's schema what a model said to the strict one. `with_defaults` takes the nulls out too."""

    def __init__(self, strict: StrictSchema) -> None:
        self._author = Validator(strict.author)
        self._nulls = NullDropper(strict)

    def violations(self, value: Any) -> list[Violation]:
        return self._author.violations(value)

    def with_defaults(self, value: Any) -> Any:
        return self._author.with_defaults(self._nulls.drop(value))


class NullDropper:
    """Takes out each null of an optional property for which the author doesn't allow null."""

    def __init__(self, strict: StrictSchema) -> None:
        self._strict = strict
        # By the `id` of a part of the author's schema, which lives as long as this.
        self._nullable: dict[int, bool] = {}
        self._by_author: dict[int, Validator] = {}
        self._as_sent: dict[int, Validator] = {}

    def drop(self, value: Any) -> Any:
        """The value without them; the value itself is not changed."""
        return _Pass(self).drop(self._strict.author, value)

    def resolved(self, reference: str) -> Any:
        return resolve(self._strict.author, reference) if is_followed(reference) else None

    def allows_null(self, part: Any) -> bool:
        key = id(part)
        if key not in self._nullable:
            self._nullable[key] = allows_null(self._strict.author, part)
        return self._nullable[key]

    def author_allows(self, part: Any, value: Any) -> bool:
        key = id(part)
        if key not in self._by_author:
            self._by_author[key] = part_validator(self._strict.author, part)
        return self._by_author[key].is_valid(value)

    def was_sent(self, part: Any, value: Any) -> bool:
        """Whether a value fits an alternative in the form in which it was sent."""
        sent = self._strict.alternatives.get(id(part))
        if sent is None:
            return False
        key = id(part)
        if key not in self._as_sent:
            self._as_sent[key] = part_validator(self._strict.sent, sent)
        return self._as_sent[key].is_valid(value)


class _Pass:
    """One value. A part of it is looked at once for each part of the schema, however alternatives nest."""

    def __init__(self, nulls: NullDropper) -> None:
        self._nulls = nulls
        # The value is kept too, so that its `id` isn't given away.
        self._done: dict[tuple[int, int], tuple[Any, Any]] = {}

    def drop(self, schema: Any, value: Any) -> Any:
        if not isinstance(schema, Mapping) or not isinstance(value, (dict, list)):
            return value
        key = (id(schema), id(value))
        if key not in self._done:
            self._done[key] = (value, value)  # a reference that leads back here finds this
            self._done[key] = (value, self._dropped(schema, value))
        return self._done[key][1]

    def _dropped(self, schema: Mapping[str, Any], value: Any) -> Any:
        if "$ref" in schema:
            value = self.drop(self._nulls.resolved(schema["$ref"]), value)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                value = self._by_alternative(schema[keyword], value)
        for part in schema.get("allOf", ()):
            value = self.drop(part, value)
        if isinstance(value, list):
            return [self.drop(schema.get("items"), item) for item in value]
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        return {
            name: self.drop(properties.get(name), member)
            for name, member in value.items()
            if member is not None
            or name in required
            or name not in properties
            or self._nulls.allows_null(properties[name])
        }

    def _by_alternative(self, alternatives: Sequence[Any], value: Any) -> Any:
        """As the alternative says that the model took; else as the first says with which the author is content."""
        content: list[Any] = []
        for one in alternatives:
            left = self.drop(one, value)
            if self._nulls.author_allows(one, left):
                if self._nulls.was_sent(one, value):
                    return left
                content.append(left)
        return content[0] if content else value
