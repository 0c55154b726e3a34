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
    reason: str = "",
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
    reason
        Why the bounds are what they are, for the sentence that refuses a value.
    **bounds
        ``ge``, ``gt``, ``le``, ``lt`` as in pydantic.
    """
    return Field(
        default,
        description=help,
        title=title,
        json_schema_extra={"unit": unit, "live": live, "reason": reason},
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
            raise InputError(_sentence(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**values | changes)


def _sentence(owner: type[Settings], error: ValidationError) -> str:
    """Turn pydantic's report into one sentence a fault."""
    return "; ".join(_told(owner, fault) for fault in error.errors())


def _told(owner: type[Settings], fault: Any) -> str:
    """Tell one fault: where, what, what was given, and why not."""
    loc, cause = fault["loc"], fault.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return _told_inside(owner, loc, cause)
    where = ".".join([owner.__name__, *(str(part) for part in loc or ("value",))])
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; check its spelling"
    got = "" if fault["type"] == "missing" else f" (got {fault['input']!r})"
    field = owner.model_fields.get(str(loc[0])) if loc else None
    extra = field.json_schema_extra if field is not None else None
    reason = extra.get("reason") if isinstance(extra, dict) else ""
    return f"{where}: {fault['msg']}{got}" + (f": {reason}" if reason else "")


def _told_inside(owner: type[Settings], loc: tuple[Any, ...], cause: InputError) -> str:
    """Tell a fault of settings in settings, or of one of our own rules."""
    inner = cause.__context__
    if not isinstance(inner, ValidationError):
        return str(cause)
    field = owner.model_fields.get(str(loc[0]))
    if field is not None and field.discriminator is not None:
        loc = loc[:1]  # pydantic adds which of the alternatives it took
    where = ".".join([owner.__name__, *(str(part) for part in loc)])
    return str(cause).replace(f"{inner.title}.", f"{where}.")
