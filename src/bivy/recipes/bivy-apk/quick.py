"""What `bivy.apk` uses of the standard library's `dataclasses` and `typing`, made in a tenth of the time.

In the one file that apk is in an image, this stands in the place of `dataclasses`, which takes 30 ms to import (it
brings `inspect`) and to write and compile the methods of forty classes, a fifth of the time that `apk add` takes; and
of `typing`, which takes 5. What is built differs in nothing that `bivy.apk` sees. A class that asks for more than this
knows fails when it is built.
"""

from __future__ import annotations

from collections import namedtuple
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MISSING = object()


class _Named(type):
    """What makes named tuples of the classes that are written as such."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Any:  # noqa: ANN401
        if not bases:
            return super().__new__(cls, name, bases, space)
        made = namedtuple(name, space["__annotations__"])  # type: ignore[misc] # noqa: PYI024 - names known then
        made.__doc__, made.__module__ = space.get("__doc__"), space["__module__"]
        return made


class NamedTuple(metaclass=_Named):
    """See `typing.NamedTuple`."""


class FrozenInstanceError(AttributeError):
    """A value was to be changed."""


class Field:
    """A field: its name, and how it gets its value when it is not given one."""

    __slots__ = ("default", "default_factory", "name")

    def __init__(self, name: str, default: object, default_factory: object) -> None:
        self.name, self.default, self.default_factory = name, default, default_factory


def field(*, default: object = MISSING, default_factory: object = MISSING) -> Any:  # noqa: ANN401 - as the original
    """Say how a field gets its value."""
    return Field("", default, default_factory)


def fields(of: Any) -> tuple[Field, ...]:  # noqa: ANN401 - as the original
    """Return the fields of a class or of a value."""
    found: tuple[Field, ...] = of.__dataclass_fields__
    return found


def replace(value: Any, /, **changes: object) -> Any:  # noqa: ANN401 - as the original
    """Return a value with some fields changed."""
    for each in value.__dataclass_fields__:
        if each.name not in changes:
            changes[each.name] = getattr(value, each.name)
    return type(value)(**changes)


def _frozen(_self: object, name: str, *_: object) -> None:
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _init_text(found: list[Field], *, after: bool) -> str:
    """Return the text of a class's `__init__`: the bundle has the bytecode of each."""
    arguments, lines = ["self"], []
    for each in found:
        name = each.name
        if each.default_factory is not MISSING:
            arguments.append(f"{name}=_missing")
            lines.append(f" _set(self, {name!r}, _made_{name}() if {name} is _missing else {name})")
            continue
        arguments.append(name if each.default is MISSING else f"{name}=_default_{name}")
        lines.append(f" _set(self, {name!r}, {name})")
    if after:
        lines.append(" self.__post_init__()")
    return "\n".join([f"def __init__({', '.join(arguments)}):", *lines])


def _init(cls: type, found: list[Field]) -> Callable[..., None]:
    values: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    for each in found:
        values[f"_made_{each.name}"] = each.default_factory
        values[f"_default_{each.name}"] = each.default
    exec(_init_text(found, after=hasattr(cls, "__post_init__")), values)  # noqa: S102 - as the original does
    made: Callable[..., None] = values["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _repr(self: Any) -> str:  # noqa: ANN401 - any value
    return f"{type(self).__name__}({', '.join(f'{it.name}={getattr(self, it.name)!r}' for it in fields(self))})"


def _comparing(names: tuple[str, ...]) -> tuple[Callable[[Any, Any], bool], Callable[[Any], int]]:
    get = attrgetter(*names)

    def equal(self: object, other: object) -> bool:
        return get(self) == get(other) if type(self) is type(other) else NotImplemented

    def number(self: object) -> int:
        return hash(get(self))

    return equal, number


def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type], type]:
    """Make a class one of values; see `dataclasses.dataclass`."""

    def make(cls: type) -> type:
        own = dict(cls.__dict__)
        found = []
        for name in cls.__annotations__:
            given = own.pop(name, MISSING)
            each = given if isinstance(given, Field) else Field(name, given, MISSING)
            each.name = name
            found.append(each)
        names = tuple(each.name for each in found)
        methods: dict[str, Any] = {"__init__": _init(cls, found), "__repr__": _repr}
        if eq:
            equal, number = _comparing(names)
            methods |= {"__eq__": equal, "__hash__": number if frozen else None}
        if frozen:
            methods |= {"__setattr__": _frozen, "__delattr__": _frozen}
        for gone in ("__dict__", "__weakref__"):
            own.pop(gone, None)
        if own.get("__hash__", MISSING) is None and "__eq__" not in cls.__dict__:
            del own["__hash__"]
        shape = {"__slots__": names} if slots else {}
        return type(cls)(cls.__name__, cls.__bases__, {**methods, **own, **shape, "__dataclass_fields__": tuple(found)})

    return make
