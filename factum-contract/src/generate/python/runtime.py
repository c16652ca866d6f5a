"""What the generated modules stand on: events, how they are made, and how JSON is checked against its contract.

It accepts and refuses exactly what Factum's own gate does. JSON is read by `from_json`, and not by
`model_validate_json`, because that forgets what the contract asks about: fields that are given twice.
"""

from __future__ import annotations

import json
import math
import os
import re
import time as clock
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, Union, get_args
from uuid import UUID

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, SchemaValidator, core_schema
from typing_extensions import Self


class Flaw(NamedTuple):
    """What is wrong with a value: where, which rule, what was expected and found."""

    path: str
    """JSON pointer to the value; empty for the whole."""
    rule: str
    """The rule that is broken, by its JSON Schema keyword where there is one."""
    message: str
    """What was expected and what was found; personal data is never quoted."""


class ContractError(ValueError):
    """JSON that breaks its contract, with all that is wrong with it."""

    def __init__(self, flaws: list[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(f"{flaw.path or 'the payload'}: {flaw.message}" for flaw in flaws))

    @property
    def path(self) -> str:
        """Where the first flaw is."""
        return self.flaws[0].path

    @property
    def rule(self) -> str:
        """The rule that the first flaw breaks."""
        return self.flaws[0].rule


class Forgotten:
    """Stands for personal data whose subject was forgotten, or whose key is not within reach here."""

    __slots__ = ("sealed",)

    def __init__(self, sealed: str | None = None) -> None:
        self.sealed = sealed

    def __repr__(self) -> str:
        return "FORGOTTEN"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Forgotten) and other.sealed == self.sealed

    def __hash__(self) -> int:
        return hash((Forgotten, self.sealed))

    @classmethod
    def read(cls, value: object) -> Forgotten | None:
        """What a JSON value stands for; None when it is a value of its own."""
        if not isinstance(value, Mapping) or len(value) != 1:
            return None
        sealed = value.get("$sealed")
        if isinstance(sealed, str):
            return cls(sealed)
        return FORGOTTEN if value.get("$forgotten") is True else None

    def write(self) -> dict[str, object]:
        """The JSON of it."""
        return {"$forgotten": True} if self.sealed is None else {"$sealed": self.sealed}


FORGOTTEN = Forgotten()
"""What personal data is once its subject was forgotten."""


# Reading and writing --------------------------------------------------------------------------------------------------

DEPTH_MAX = 64
TAGS_MAX = 64
_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


class _Fields(dict[str, Any]):
    """An object as it was read, with what a dict forgets: values of names that were given again later."""

    twice: tuple[tuple[str, Any], ...] = ()


_hidden: ContextVar[bool] = ContextVar("hidden", default=False)
"""Whether personal data is being checked, which is never quoted."""


class _Reading:
    """What is remembered while one document is checked: different identifiers."""

    def __init__(self) -> None:
        self.identifiers: set[str] = set()


def _fields(pairs: list[tuple[str, Any]]) -> _Fields:
    fields = _Fields(pairs)
    if len(fields) < len(pairs):
        last = {name: index for index, (name, _) in enumerate(pairs)}
        fields.twice = tuple(pair for index, pair in enumerate(pairs) if last[pair[0]] != index)
    return fields


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= 400 else float(text)


def _constant(text: str) -> object:
    raise ValueError(f"expected a JSON value, found {text}")


def _read(text: str | bytes) -> Any:
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(decoded, object_pairs_hook=_fields, parse_int=_integer, parse_constant=_constant)
        _look_inside(value)
    except (ValueError, RecursionError) as error:
        raise ContractError([Flaw("", "json", f"expected JSON, found {error}")]) from None
    return value


def _look_inside(value: object) -> None:
    """Refuses deep nesting, and text that no other language can hold."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise ValueError("more than 64 levels of nesting")
        if isinstance(one, str) and _HALF_OF_A_PAIR.search(one):
            raise ValueError("half of a surrogate pair")
        if isinstance(one, _Fields):
            for name, inner in [*one.items(), *one.twice]:
                waiting += [(name, depth), (inner, depth + 1)]
        elif isinstance(one, list):
            waiting += [(inner, depth + 1) for inner in one]


ModelT = TypeVar("ModelT", bound=BaseModel)


def _checked(cls: type[ModelT], value: Any, prefix: str) -> ModelT:
    reading = _Reading()
    try:
        model = cls.model_validate(value, context=reading)
    except ValidationError as error:
        raise ContractError(_flaws(error, prefix)) from None
    count = len(reading.identifiers)
    if count > TAGS_MAX:
        message = f"expected at most {TAGS_MAX} different identifiers, found {count}"
        raise ContractError([Flaw(prefix, "identifiers", message)])
    return model


def _write(model: BaseModel) -> bytes:
    value = _finite(model.model_dump(mode="json"))
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    """What was too large for a double, in a field that the contract does not declare, is written as null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_RULES = {"missing": "required", "extra_forbidden": "additionalProperties", "literal_error": "const", "string_too_short": "minLength"}


def _flaws(error: ValidationError, prefix: str) -> list[Flaw]:
    return [flaw for one in error.errors(include_url=False) for flaw in _flaws_of(one, prefix)]


def _flaws_of(error: Any, prefix: str) -> list[Flaw]:
    kind: str = error["type"]
    steps = [_step(str(step)) for step in error["loc"]]
    context = error.get("ctx", {})
    message: str = error["msg"]
    if "inside" in context:
        at = prefix + "".join(f"/{step}" for step in steps)
        return [Flaw(at + flaw.path, flaw.rule, flaw.message) for flaw in context["inside"]]
    if kind == "duplicate-field":
        steps.append(_step(context["at"]))
    elif kind == "missing":
        message = f"expected a field `{steps.pop()}`, found none"
    elif kind == "extra_forbidden":
        message = f"expected no field {_quoted(str(error['loc'][-1]))}: the object is closed"
        steps.pop()
    rule = _RULES.get(kind, kind)
    # Every other flaw that is not ours is of the type.
    rule = "type" if rule.endswith(("_type", "_str", "_instance_of", "_parsing")) else rule
    return [Flaw(prefix + "".join(f"/{step}" for step in steps), rule, message)]


def _inside(error: ValidationError, step: str | None = None) -> PydanticCustomError:
    """The flaws inside a value as one of the value; `step` stands for the names on the way."""
    flaws = _flaws(error, "")
    if step is not None:
        flaws = [flaw._replace(path="/" + "/".join([step, *flaw.path.split("/")[2:]])) for flaw in flaws]
    return PydanticCustomError(flaws[0].rule, "{message}", {"message": flaws[0].message, "inside": flaws})


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


# Rules ----------------------------------------------------------------------------------------------------------------


def wire(name: str) -> FieldInfo:
    """The field's name in JSON, where Python calls it otherwise."""
    field: FieldInfo = Field(validation_alias=name, serialization_alias=name)
    return field


def _refuse(rule: str, expected: str, found: str) -> PydanticCustomError:
    message = f"expected {expected}, found {found}"
    return PydanticCustomError(rule, "{message}", {"message": message})


def _kind(value: object) -> str:
    kinds: list[tuple[type, str]] = [(str, "text"), (bool, "true or false"), (Mapping, "an object"), (list, "a list")]
    if value is None:
        return "null"
    return next((words for kind, words in kinds if isinstance(value, kind)), "a number")


def _quoted(text: str, shown: bool = True) -> str:
    if _hidden.get() or not shown:
        return f"text of {len(text)} characters that is not shown"
    return json.dumps(text[:40], ensure_ascii=False) + ("…" if len(text) > 40 else "")


class Text:
    """Text with bounds, as itself or as what its format means; lengths count characters."""

    kind: type = str
    expected = "text"

    def __init__(self, *, min: int = 0, max: int | None = None, pattern: str | None = None, shown: bool = True) -> None:
        self.min, self.max, self.pattern, self.shown = min, max, pattern, shown
        # Pydantic's engine for patterns is the gate's: linear, and with the same meaning.
        schema = core_schema.str_schema(strict=True, pattern=pattern)
        self.matcher = None if pattern is None else SchemaValidator(schema)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = core_schema.str_schema(strict=True) if self.kind is str else core_schema.is_instance_schema(self.kind)
        write = core_schema.plain_serializer_function_ser_schema(self.write, return_schema=core_schema.str_schema())
        return core_schema.no_info_before_validator_function(self.check, inner, serialization=write)

    def check(self, value: object) -> object:
        """The text as what it means."""
        if isinstance(value, self.kind) and self.kind is not str:
            text = self.write(value)
        elif isinstance(value, str):
            text = str(value)
        else:
            raise _refuse("type", "text", _kind(value))
        if len(text) < self.min:
            raise _refuse("minLength", f"at least {self.min} characters", str(len(text)))
        if self.max is not None and len(text) > self.max:
            raise _refuse("maxLength", f"at most {self.max} characters", str(len(text)))
        meant = self.read(text)
        found = _quoted(text, self.shown)
        if meant is None:
            raise _refuse("format", self.expected, found)
        if self.matcher is not None:
            try:
                self.matcher.validate_python(text)
            except ValidationError:
                raise _refuse("pattern", f"text that matches {self.pattern}", found) from None
        return meant

    def read(self, text: str) -> object | None:
        """What a text means; None when it does not have the format."""
        return text

    def write(self, value: Any) -> str:
        """The text of what is meant."""
        return str(value)


class Uuid(Text):
    """Text that is a UUID with hyphens."""

    kind = UUID
    expected = "a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"
    form = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

    def read(self, text: str) -> object | None:
        return UUID(text) if self.form.fullmatch(text) else None


class CalendarDate(Text):
    """Text that is a calendar date."""

    kind = date
    expected = "a date such as 2026-01-05"
    form = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)

    def read(self, text: str) -> object | None:
        found = self.form.fullmatch(text)
        try:
            return None if found is None else date(*map(int, found.groups()))
        except ValueError:
            return None

    def write(self, value: Any) -> str:
        if isinstance(value, datetime):
            raise _refuse("type", "a date", "a time")
        return str(value.isoformat())


class DateTime(Text):
    """Text that is a point in time; what a datetime cannot hold, past microseconds, is cut off."""

    kind = datetime
    expected = "a time such as 2026-01-05T10:00:00Z"
    form = re.compile(
        r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
        r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
        re.ASCII,
    )

    def read(self, text: str) -> object | None:
        found = self.form.fullmatch(text)
        if found is None:
            return None
        # An offset leads to the day before or after: that day must be inside too.
        is_inside = text[:10] < "9999-12-30" if text.endswith("Z") else "0001-01-01" < text[:10] < "9999-12-29"
        if not is_inside:
            return None
        fraction = (found[1] or "")[1:7].ljust(6, "0")
        zone = "+00:00" if text.endswith("Z") else text[-6:]
        try:
            return datetime.fromisoformat(f"{text[:19]}.{fraction}{zone}")
        except ValueError:
            return None

    def write(self, value: Any) -> str:
        text: str = value.isoformat()
        return text[:-6] + "Z" if text.endswith("+00:00") else text


class Email(Text):
    """Text that is an e-mail address."""

    expected = "an e-mail address"
    local = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*", re.ASCII)
    label = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)

    def read(self, text: str) -> object | None:
        local, _, domain = text.rpartition("@")
        fits = len(text) <= 254 and len(local) <= 64 and self.local.fullmatch(local) is not None
        return text if fits and all(self.label.fullmatch(label) for label in domain.split(".")) else None


class Uri(Text):
    """Text that is an absolute URI."""

    expected = "an absolute URI"
    form = re.compile(
        r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII
    )

    def read(self, text: str) -> object | None:
        return text if self.form.fullmatch(text) else None


class DecimalNumber(Text):
    """Text that is a decimal number of at most 28 digits."""

    kind = Decimal
    expected = 'a decimal number of at most 28 digits, as text such as "21.00"'
    form = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)

    def read(self, text: str) -> object | None:
        digits = sum(character.isdigit() for character in text)
        return Decimal(text) if digits <= 28 and self.form.fullmatch(text) else None

    def write(self, value: Any) -> str:
        return format(value, "f")


class Integer:
    """A whole number of 64 bits."""

    def __init__(
        self,
        *,
        min: int = -(2**63),
        max: int = 2**63 - 1,
        multiple_of: int = 1,
        shown: bool = True,
    ) -> None:
        self.min, self.max, self.multiple_of, self.shown = min, max, multiple_of, shown

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, core_schema.int_schema(strict=True))

    def check(self, value: object) -> object:
        """The number itself."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise _refuse("type", "a whole number", _kind(value))
        is_shown = self.shown and not _hidden.get() and -(2**70) < value < 2**70
        found = str(value) if is_shown else "one that is not shown"
        if not -(2**63) <= value < 2**63:
            raise _refuse("type", "a whole number of 64 bits", found)
        if value < self.min:
            raise _refuse("minimum", f"at least {self.min}", found)
        if value > self.max:
            raise _refuse("maximum", f"at most {self.max}", found)
        if value % self.multiple_of != 0:
            raise _refuse("multipleOf", f"a multiple of {self.multiple_of}", found)
        return value


class Number:
    """A number, as a double."""

    def __init__(
        self,
        *,
        min: float | None = None,
        max: float | None = None,
        above: float | None = None,
        below: float | None = None,
        shown: bool = True,
    ) -> None:
        self.min, self.max, self.above, self.below, self.shown = min, max, above, below, shown

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, core_schema.float_schema(strict=True))

    def check(self, given: object) -> object:
        """The number as a double."""
        if not isinstance(given, (int, float)) or isinstance(given, bool):
            raise _refuse("type", "a number", _kind(given))
        try:
            value = float(given)
        except OverflowError:
            value = math.inf
        found = str(given) if self.shown and not _hidden.get() else "one that is not shown"
        if not math.isfinite(value):
            raise _refuse("type", "a number that fits a double", "a larger one")
        if self.min is not None and value < self.min:
            raise _refuse("minimum", f"at least {self.min}", found)
        if self.max is not None and value > self.max:
            raise _refuse("maximum", f"at most {self.max}", found)
        if self.above is not None and value <= self.above:
            raise _refuse("exclusiveMinimum", f"more than {self.above}", found)
        if self.below is not None and value >= self.below:
            raise _refuse("exclusiveMaximum", f"less than {self.below}", found)
        return value


class Words:
    """One of some words; an open list accepts words that a newer version of the contract knows."""

    def __init__(self, *words: str, open: bool = False, shown: bool = True) -> None:
        self.words, self.open, self.shown = words, open, shown

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, core_schema.str_schema(strict=True))

    def check(self, value: object) -> object:
        """The word itself."""
        if not isinstance(value, str):
            raise _refuse("type", "text", _kind(value))
        if self.open or value in self.words:
            return value
        found = _quoted(value, self.shown)
        raise _refuse("const" if len(self.words) == 1 else "enum", f"one of {' | '.join(self.words)}", found)


class Items:
    """A list with bounds; it cannot be changed."""

    def __init__(self, *, min: int = 0, max: int | None = None) -> None:
        self.min, self.max = min, max

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = handler.generate_schema(get_args(source)[0])
        inner = core_schema.tuple_variable_schema(items)
        return core_schema.no_info_wrap_validator_function(self.check, inner)

    def check(self, value: object, handler: Callable[[object], Any]) -> object:
        """The items, as a tuple."""
        if not isinstance(value, (list, tuple)):
            raise _refuse("type", "a list", _kind(value))
        items = handler(tuple(value))
        if len(items) < self.min:
            raise _refuse("minItems", f"at least {self.min} items", str(len(items)))
        if self.max is not None and len(items) > self.max:
            raise _refuse("maxItems", f"at most {self.max} items", str(len(items)))
        return items


class Names:
    """Any names with values of one kind."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        values = handler.generate_schema(get_args(source)[1])
        inner = core_schema.dict_schema(core_schema.str_schema(), values)
        return core_schema.no_info_wrap_validator_function(self.check, inner)

    def check(self, value: object, handler: Callable[[object], Any]) -> object:
        """The names with their values; earlier values of a name that is given twice must be good too."""
        if not isinstance(value, Mapping):
            raise _refuse("type", "an object", _kind(value))
        try:
            for name, earlier in value.twice if isinstance(value, _Fields) else ():
                handler({name: earlier})
            return handler(dict(value))
        except ValidationError as error:
            if _hidden.get():
                raise _inside(error, "*") from None
            raise


class _Chain:
    """Hands rules on to each other as pydantic does for those of one annotation."""

    def __init__(self, outer: Any, schema: CoreSchema | None) -> None:
        self.outer, self.schema = outer, schema

    def __call__(self, source: Any) -> CoreSchema:
        return self.schema or self.generate_schema(source)

    def generate_schema(self, source: Any) -> CoreSchema:
        schema: CoreSchema = self.outer.generate_schema(source)
        return schema


def _chained(source: Any, left_out: Any, rules: tuple[Any, ...], handler: Any) -> CoreSchema:
    """The schema of a union without one of its types, under rules."""
    inner: Any = Union[tuple(one for one in get_args(source) if one is not left_out)]
    schema: CoreSchema | None = None
    for rule in rules:
        schema = rule.__get_pydantic_core_schema__(inner, _Chain(handler, schema))
    return schema or _Chain(handler, None).generate_schema(inner)


class OrNull:
    """A value that may be null, under rules when it is not."""

    def __init__(self, *rules: Any) -> None:
        self.rules = rules

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.nullable_schema(_chained(source, type(None), self.rules, handler))


class Absent(OrNull):
    """A field that may be absent, under rules when it is not: None stands for absent, and null in JSON is refused."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = super().__get_pydantic_core_schema__(source, handler)
        return core_schema.with_info_before_validator_function(self.check, inner)

    def check(self, value: object, info: ValidationInfo) -> object:
        """The value, unless it is a null of JSON."""
        if value is None and (info.mode == "json" or isinstance(info.context, _Reading)):
            raise _refuse("type", "a value", "null")
        return value


class PersonalData:
    """Personal data: known, under rules, or forgotten."""

    def __init__(self, *rules: Any) -> None:
        self.rules = rules

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = _chained(source, Forgotten, self.rules, handler)
        write = core_schema.wrap_serializer_function_ser_schema(self.write, schema=inner)
        return core_schema.no_info_wrap_validator_function(self.check, inner, serialization=write)

    def check(self, value: object, handler: Callable[[object], Any]) -> object:
        """The value, or that it was forgotten."""
        forgotten = value if isinstance(value, Forgotten) else Forgotten.read(value)
        if forgotten is not None:
            return forgotten
        token = _hidden.set(True)
        try:
            return handler(value)
        except ValidationError as error:
            raise _inside(error) from None
        finally:
            _hidden.reset(token)

    def write(self, value: object, handler: Callable[[object], Any]) -> Any:
        """The JSON of it."""
        return value.write() if isinstance(value, Forgotten) else handler(value)


class Key:
    """The key of a payload: 1 to 250 bytes without control characters."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, value: object) -> object:
        """The value, when it can be a key."""
        if not _fits(str(value), 250):
            message = "expected a key of 1 to 250 bytes without control characters"
            raise PydanticCustomError("key", "{message}", {"message": message})
        return value


class Identifier:
    """A value that becomes a tag, together with its field's name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bytes_max = 250 - len(name.encode()) - 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self.check, handler(source))

    def check(self, value: object, info: ValidationInfo) -> object:
        """The value, when it can be a tag."""
        if value is None:
            return value
        if isinstance(value, str) and not _fits(value, self.bytes_max):
            message = f"expected an identifier of 1 to {self.bytes_max} bytes without control characters"
            raise PydanticCustomError("identifier", "{message}", {"message": message})
        if isinstance(info.context, _Reading):
            info.context.identifiers.add(f"{self.name}:{value}")
        return value


def _fits(text: str, bytes_max: int) -> bool:
    return 1 <= len(text.encode()) <= bytes_max and not re.search("[\x00-\x1f\x7f]", text)


# Data and events ------------------------------------------------------------------------------------------------------


class Data(
    BaseModel,
    frozen=True,
    strict=True,
    extra="allow",
    serialize_by_alias=True,
    hide_input_in_errors=True,
    protected_namespaces=(),
):
    """What an event or command carries, or a part of it: cannot be changed, keeps fields that it does not know."""

    # Python calls fields by their names here, JSON by theirs, and neither may take the other's for its own.
    def __init__(self, **fields: Any) -> None:
        self.__pydantic_validator__.validate_python(fields, self_instance=self, by_alias=False, by_name=True)

    # Says that reading JSON need not come through here.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _given_once(cls, value: Any) -> Any:
        if isinstance(value, _Fields):
            wires = {field.validation_alias or name for name, field in cls.model_fields.items()}
            for name, _ in value.twice:
                if name in wires:
                    raise PydanticCustomError("duplicate-field", "expected the field once, found it twice", {"at": name})
        return value

    @model_serializer(mode="wrap")
    def _leave_out_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A field that may be absent holds None when it is; one that is required and null is written.
        written: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if not field.is_required():
                wire = field.serialization_alias or name
                if written.get(wire, ...) is None:
                    del written[wire]
        return written

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads and checks JSON; raises a ContractError when it breaks the contract."""
        return _checked(cls, _read(text), "")

    def to_json(self) -> bytes:
        """The JSON of it: what was absent stays absent."""
        return _write(self)


DataT = TypeVar("DataT", bound=Data)


class Envelope(BaseModel, Generic[DataT], frozen=True, strict=True, extra="allow", hide_input_in_errors=True):
    """An event or command as it travels: the attributes of CloudEvents 1.0 beside its data."""

    KIND: ClassVar[Literal["event", "command"]] = "event"
    VERSION: ClassVar[int]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]
    EXAMPLE: ClassVar[str | None] = None

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1)
    """Identity: a repeated event has the same."""
    source: str = Field(min_length=1)
    """Where it was made."""
    type: str
    """The contract's name."""
    dataschema: str
    """The contract's version."""
    datacontenttype: str | None = "application/json"
    time: Annotated[datetime, DateTime()]
    """When it happened."""
    partitionkey: str = Field(min_length=1)
    """Events of one key keep their order."""
    subject: str = Field(min_length=1)
    """The key again, as CloudEvents calls it."""
    correlationid: str = Field(min_length=1)
    """What the events of one business transaction have in common."""
    causationid: str | None = None
    """The event or command that caused it."""
    actor: str | None = None
    """Who caused it."""
    traceparent: str | None = None
    """W3C trace context."""
    data: DataT
    """What it carries."""

    @classmethod
    def create(
        cls,
        data: DataT,
        *,
        id: str | None = None,
        time: datetime | None = None,
        source: str | None = None,
        partitionkey: str | None = None,
        correlationid: str | None = None,
        causationid: str | None = None,
        actor: str | None = None,
        traceparent: str | None = None,
    ) -> Self:
        """Makes an event: a new id that sorts by time, now, and the key of the data, unless they are given."""
        made = id or _new_id()
        key = partitionkey or str(getattr(data, cls.KEY))
        others: dict[str, Any] = {} if source is None else {"source": source}
        return cls(
            id=made,
            time=time or datetime.now(timezone.utc),
            partitionkey=key,
            subject=key,
            correlationid=correlationid or made,
            causationid=causationid,
            actor=actor,
            traceparent=traceparent,
            data=data,
            **others,
        )

    @classmethod
    def example(cls, **changes: object) -> Self:
        """The contract's first example, with other values for some fields of its data: a fixture."""
        if cls.EXAMPLE is None:
            raise ValueError(f"{cls.__name__} has no example in its contract")
        data = _data_type(cls).from_json(cls.EXAMPLE)
        fields: dict[str, Any] = {name: getattr(data, name) for name in data.model_fields_set} | changes
        return cls.create(type(data)(**fields))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads and checks an event in structured mode; raises a ContractError when it breaks the contract."""
        return _event(cls, _read(text))

    def to_json(self) -> bytes:
        """The event in structured mode."""
        return _write(self)

    @model_serializer(mode="wrap")
    def _leave_out_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if value is not None}


EventT = TypeVar("EventT", bound=Envelope[Any])


def read_any(types: Mapping[str, type[EventT]], text: str | bytes) -> EventT:
    """Reads and checks an event of any of these types; raises a ContractError when it breaks its contract."""
    value = _read(text)
    name = value.get("type") if isinstance(value, Mapping) else None
    found = types.get(name) if isinstance(name, str) else None
    if found is None:
        shown = json.dumps(name) if isinstance(name, str) else "none"
        raise ContractError([Flaw("/type", "enum", f"expected one of {' | '.join(types)}, found {shown}")])
    return _event(found, value)


def _event(cls: type[EventT], value: Any) -> EventT:
    if isinstance(value, _Fields) and value.twice:
        name = value.twice[0][0]
        raise ContractError([Flaw(f"/{_step(name)}", "duplicate-field", "expected the field once, found it twice")])
    if isinstance(value, Mapping) and "data" in value:
        # With the defaults of its own contract, an event may leave out nothing but the version.
        value = {**value, "data": _checked(_data_type(cls), value["data"], "/data")}
    return _checked(cls, value, "")


def _data_type(cls: type[Envelope[DataT]]) -> type[DataT]:
    found: type[DataT] | None = cls.model_fields["data"].annotation
    assert found is not None
    return found


def _new_id() -> str:
    """A UUID of version 7: it sorts by time."""
    number = int.from_bytes(os.urandom(16), "big") & ~(0xFFFF_FFFF_FFFF << 80) & ~(0xF << 76) & ~(0x3 << 62)
    return str(UUID(int=number | (clock.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0x2 << 62))
