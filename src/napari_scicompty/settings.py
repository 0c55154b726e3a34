"""What a setting is: a frozen, validated field with range, unit and help.

The form in the window, the command line, recipes and saved results are all made from
these models, so that a setting is described once.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_scicompty.errors import InputError


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    live: bool = True,
    title: str | None = None,
    **bounds: Any,
) -> Any:
    """Describe one field of a `Settings` model.

    Parameters
    ----------
    default
        Value when nothing is given; ``...`` makes the field required.
    help
        One sentence for tooltips, ``--help`` and docs.
    unit
        SI unit of the stored value (``"m"``), or ``""`` for a plain number.
    live
        Whether a change takes effect in a run that is under way.
    title
        Label in forms; the field's name in words when left out.
    **bounds
        ``ge``, ``gt``, ``le``, ``lt`` as in pydantic.
    """
    return Field(
        default,
        description=help,
        title=title,
        json_schema_extra={"unit": unit, "live": live},
        **bounds,
    )


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, errors as sentences.

    Values may be given by name, or by place in the order of the fields.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=False
    )

    def __init__(self, *args: Any, **values: Any) -> None:
        named = dict(zip(type(self).model_fields, args, strict=False))
        try:
            super().__init__(**named, **values)
        except ValidationError as error:
            raise InputError(_sentence(type(self).__name__, error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**values | changes)


def _sentence(owner: str, error: ValidationError) -> str:
    """Turn pydantic's report into one sentence a field."""
    parts = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "value"
        if fault["type"] == "extra_forbidden":
            parts.append(
                f"{owner}.{where}: there is no such setting; check its spelling"
            )
            continue
        got = "" if fault["type"] == "missing" else f" (got {fault['input']!r})"
        parts.append(f"{owner}.{where}: {fault['msg']}{got}")
    return "; ".join(parts)
