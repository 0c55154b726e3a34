"""What a setting is: a frozen, validated field with range, unit and help.

The form in the window, the command line, recipes and saved results are all made from
these models, so that a setting is described once.
"""

from __future__ import annotations

import copy
import difflib
import warnings
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Self,
    TypeVar,
    get_args,
    get_origin,
)

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from napari_scicompty.core import renamed
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.former import with_former

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

AnySettings = TypeVar("AnySettings", bound="Settings")

Numbers = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda v: (v,) if type(v) is int else v),
]
"""Numbers of patterns; one alone needs no brackets."""
MOST = 2**31 - 1
"""Largest whole number of a setting that has no limit of its own."""
_MOST_NAMES = 8
"""Up to so many settings are listed where one is not known."""


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    live: bool = True,
    title: str | None = None,
    reason: str = "",
    advanced: bool = False,
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
    advanced
        Whether forms fold it away under "More settings".
    **bounds
        ``ge``, ``gt``, ``le``, ``lt`` as in pydantic.

    Returns
    -------
    object
        What a pydantic model takes as the description of a field.
    """
    return Field(
        default,
        description=help,
        title=title,
        json_schema_extra={
            "unit": unit,
            "live": live,
            "reason": reason,
            "advanced": advanced,
        },
        **bounds,
    )


def like(kind: type[BaseModel], name: str, default: Any = ...) -> Any:
    """Return the description of a field of another class of settings.

    Parameters
    ----------
    kind : type of settings
        The other class.
    name : str
        Of the field there.
    default : any, optional
        Its default here; that of the other class when left out.

    Returns
    -------
    object
        What a pydantic model takes as the description of a field.
    """
    field = copy.copy(kind.model_fields[name])
    if default is not ...:
        field.default = default
    return field


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown fields, errors as sentences.

    Parameters
    ----------
    *args
        Value of the first field; more by place are deprecated.
    **values
        Fields by name.

    Raises
    ------
    InputError
        A field that does not exist, a value that it cannot have, or one left out that
        is needed.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=False,
        allow_inf_nan=False,
    )

    def __init__(self, *args: object, **values: object) -> None:
        values = self._by_new_names(values)
        named = self._by_place(args, values)
        try:
            self._refuse_what_is_no_number(named | values)
            super().__init__(**named, **values)
        except ValidationError as error:
            raise _refusal(type(self), error) from error

    @classmethod
    def _by_new_names(cls, values: dict[str, object]) -> dict[str, object]:
        """Take old names of settings for the new ones, with a warning."""
        fields = cls.model_fields
        for old, new in renamed.SETTINGS.items():
            if old in values and new in fields and old not in fields:
                renamed.warn(f"{cls.__name__}.{old}", new, level=4)
                values = {new if key == old else key: v for key, v in values.items()}
        return values

    @classmethod
    def _by_place(
        cls, args: tuple[object, ...], values: dict[str, object]
    ) -> dict[str, object]:
        """Name what was given by place; more than one value that way is deprecated."""
        names = list(cls.model_fields)
        if len(args) > len(names):
            raise InputError(
                f"{cls.__name__}: {len(args)} values are given, and it has "
                f"{len(names)} settings ({', '.join(names)}); give each by its name"
            )
        named = dict(zip(names, args, strict=False))
        for name in named.keys() & values.keys():
            raise InputError(
                f"{cls.__name__}.{name}: is given twice, by place and by name; leave "
                "out one of the two"
            )
        if len(args) > 1:
            by_name = ", ".join(f"{name}={value!r}" for name, value in named.items())
            warnings.warn(
                f"{cls.__name__}: give settings by name, {cls.__name__}({by_name}); "
                "by place will be refused from version 0.3 on",
                DeprecationWarning,
                stacklevel=3,
            )
        return named

    def _refuse_what_is_no_number(self, values: dict[str, object]) -> None:
        """Refuse ``"3"`` and True for 3, which pydantic takes, and counts out of reach.

        A text may hide a unit, and numbers of counts are kept in 64 bits.
        """
        fields = type(self).model_fields
        faults = [
            fault
            for name, value in values.items()
            if name in fields
            if (fault := _fault(name, value, fields[name])) is not None
        ]
        if faults:
            raise ValidationError.from_exception_data(type(self).__name__, faults)

    def replace(self, **changes: object) -> Self:
        """Return a validated copy with some fields changed.

        Parameters
        ----------
        **changes
            Fields and their new values.

        Raises
        ------
        InputError
            A field that does not exist, or a value that it cannot have.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**values | changes)

    @property
    def described(self) -> dict[str, object]:
        """Name of the kind and values, as JSON can hold them."""
        return {"name": type(self).__name__.lower()} | self.model_dump(mode="json")


def described_as(
    kinds: Iterable[type[AnySettings]], description: dict[str, object], what: str
) -> AnySettings:
    """Return the settings that `Settings.described` gave, of one of some kinds.

    Parameters
    ----------
    kinds : iterable of type
        Classes that it may be.
    description : dict
        Values, and the kind by its ``"name"``.
    what : str
        What such a kind is called in a sentence, such as ``"algorithm"``.

    Raises
    ------
    InputError
        A kind or a setting that is not known here.
    """
    named = {kind.__name__.lower(): kind for kind in kinds}
    values = renamed.migrated(dict(description))
    name = values.pop("name", None)
    if name not in named:
        raise InputError(
            f"{what} {name!r} is not known here; known are {', '.join(named)}"
        )
    return named[name](**with_former(name, values))


def nearest(word: object, words: Iterable[str]) -> str:
    """Return the end of a sentence that asks for the nearest word; empty: none is near.

    Parameters
    ----------
    word : object
        What was given.
    words : iterable of str
        What is known.
    """
    known, given = [*words], str(word).lower()
    near = difflib.get_close_matches(given, known, 1)
    near += [each for each in known if len(given) > 1 and each.startswith(given)]
    return f"; did you mean {near[0]!r}?" if near else ""


def _refusal(owner: type[Settings], error: ValidationError) -> InputError:
    """Turn pydantic's report into one sentence a field."""
    faults = {str(fault["loc"][:1]): fault for fault in reversed(error.errors())}
    return InputError.of(_told(owner, fault) for fault in reversed(faults.values()))


def _told(owner: type[Settings], fault: ErrorDetails) -> InputError:
    """Tell one fault: where, what, what was given, and why not."""
    loc, cause = fault["loc"], fault.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return _told_inside(owner, loc, cause)
    name = str(loc[0]) if loc else "value"
    where = f"{owner.__name__}.{name}"
    if fault["type"] == "extra_forbidden":
        return InputError(
            field=where,
            problem="there is no such setting here",
            remedy=_known(owner, name),
        )
    field = owner.model_fields.get(name)
    extra = field.json_schema_extra if field is not None else None
    described = extra if isinstance(extra, dict) else {}
    if fault["type"] == "missing":
        unit = described.get("unit")
        remedy = f"give it{f', in {unit}' if unit else ''}"
        return InputError(field=where, problem="is missing", remedy=remedy)
    reason = described.get("reason")
    said = _said(fault, str(described.get("unit") or ""))
    near = ""
    if fault["type"] == "literal_error" and field is not None:
        near = nearest(fault["input"], choices_of(field.annotation))
    return InputError(
        field=where,
        problem=f"{said} (got {fault['input']!r})" + (f": {reason}" if reason else ""),
        remedy=near.removeprefix("; "),
    )


def choices_of(annotation: object) -> tuple[str, ...]:
    """Return the words that a field takes, empty where it takes others too.

    Parameters
    ----------
    annotation : type
        Of the field.
    """
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) is Literal:
            return tuple(str(word) for word in get_args(kind))
    return ()


def _known(owner: type[Settings], name: str) -> str:
    """Say which settings there are: the nearest, or all where they are few."""
    names = list(owner.model_fields)
    near = difflib.get_close_matches(name, names, 3)
    if not near and len(names) > _MOST_NAMES:
        return "check its spelling"
    return f"did you mean {' or '.join(near)}" if near else f"known: {', '.join(names)}"


def _said(fault: ErrorDetails, unit: str) -> str:
    """Say what is wrong with a value, as a verb and its object."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind.startswith(("float", "int", "text_for_a_number")):
        whole = "whole " if kind.startswith("int") else ""
        plain = f", plain and in {unit}" if unit else ""
        return f"must be a {whole}number{plain}"
    if kind == "union_tag_invalid":
        return f"is of a kind that is not known, choose {context['expected_tags']}"
    words = str(fault["msg"])
    return words.replace("Input should be", "must be").replace("Input should", "must")


def _fault(name: str, value: object, field: FieldInfo) -> InitErrorDetails | None:
    """Tell what pydantic would take for a number and is none."""
    kinds = _kinds(field.annotation)
    text = isinstance(value, str) and kinds <= {int, float, bool, type(None)}
    inside = value if isinstance(value, tuple | list) else (value,)
    no_truth = kinds & {int, float} and bool not in kinds
    truth = no_truth and any(isinstance(part, bool | np.bool_) for part in inside)
    if text or truth:
        kind = PydanticCustomError("text_for_a_number", "Input should be a number")
        return InitErrorDetails(type=kind, loc=(name,), input=value)
    bounded = any(hasattr(rule, "le") or hasattr(rule, "lt") for rule in field.metadata)
    numbers = (int(part) for part in inside if isinstance(part, int | np.integer))
    if int in kinds and not bounded and any(abs(n) > MOST for n in numbers):
        return InitErrorDetails(
            type="less_than_equal", loc=(name,), input=value, ctx={"le": MOST}
        )
    return None


def _kinds(annotation: object) -> set[object]:
    """Return what a field takes, alone or in tuples."""
    if get_origin(annotation) is Literal:
        return {Literal}
    kinds = get_args(annotation)
    if not kinds:
        return {annotation}
    return set().union(*(_kinds(kind) for kind in kinds if kind is not ...))


def _told_inside(
    owner: type[Settings], loc: tuple[object, ...], cause: InputError
) -> InputError:
    """Tell a fault of settings in settings, or of one of our own rules."""
    inner = cause.__context__
    if not isinstance(inner, ValidationError):
        return cause
    field = owner.model_fields.get(str(loc[0]))
    if field is not None and field.discriminator is not None:
        loc = loc[:1]  # pydantic adds which of the alternatives it took
    where = ".".join([owner.__name__, *(str(part) for part in loc)])
    return cause.moved(inner.title, where)
