"""How a key of the language is defined: a field of a closed type, with its description and marks; and `{file: path}`.

Marks on a field, all inherited by what stands below it:
    env       `${VAR}` is read here
    secret    a value that came from `${VAR}` is masked wherever text leaves the program
    template  what a `{{ }}` text sees: run, call, or result (see `templates.py`); "": it is no template
"""

from typing import Annotated, Any

from msgspec import Meta, Struct


class Closed(Struct, frozen=True, forbid_unknown_fields=True):
    """An unknown key is an error. `x-*` keys are taken out before."""


def doc(text: str, **marks: Any) -> Meta:
    return Meta(description=text, extra_json_schema={f"x-{name}": value for name, value in marks.items()} or None)


class FileRef(Closed, frozen=True):
    file: Annotated[str, doc("A path relative to the file that names it.")]
