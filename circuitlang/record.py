"""Frozen dataclasses that cost nothing to define: their methods are written once here, not compiled for each class.

A program's start defines some hundred of them, at half a millisecond each if `dataclass` writes the methods.
`dataclasses.fields`, `replace` and `asdict` work on records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

_C = TypeVar("_C", bound=type)
_T = TypeVar("_T")


@overload
def record(cls: _C, /) -> _C: ...
@overload
def record(*, kw_only: bool) -> Callable[[_C], _C]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: _C | None = None, /, *, kw_only: bool = False) -> _C | Callable[[_C], _C]:
    """Like `dataclass(frozen=True)`."""

    def define(cls: _C) -> _C:
        cls.__doc__ = cls.__doc__ or cls.__name__  # or dataclass would spell out its parameters
        dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        known = fields(cls)
        compared = [each.name for each in known if each.compare]
        cls._needed = _needed(known)  # type: ignore[attr-defined]
        cls._made = [each for each in known if each.default_factory is not MISSING]  # type: ignore[attr-defined]
        finishes = cls._made or hasattr(cls, "__post_init__")  # type: ignore[attr-defined]
        cls._finish = _finish if finishes else None  # type: ignore[attr-defined]
        cls._key = attrgetter(*compared) if compared else _nothing  # type: ignore[attr-defined]
        for name, method in _METHODS.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        return cls

    return define if cls is None else define(cls)


def _needed(known: tuple[Field[Any], ...]) -> tuple[str, ...]:
    """The fields without a default, those first that are given by place."""
    needed = [each for each in known if each.default is MISSING and each.default_factory is MISSING]
    return tuple(each.name for each in sorted(needed, key=lambda each: bool(each.kw_only)))


def _finish(self: Any) -> None:
    for each in self._made:
        if each.name not in self.__dict__:
            self.__dict__[each.name] = each.default_factory()
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _nothing(_: object) -> tuple[()]:
    return ()


def changed(value: _T, **changes: object) -> _T:
    """`dataclasses.replace` for records, ten times as fast: the names are not looked at, no `__post_init__` runs."""
    new = value.__class__.__new__(value.__class__)
    new.__dict__.update(value.__dict__, **changes)
    return new


def _init(self: Any, /, *values: Any, **named: Any) -> None:
    names = self.__match_args__
    own = self.__dict__
    own.update(zip(names, values, strict=False))
    if len(values) > len(names):
        raise TypeError(f"{type(self).__name__} takes {len(names)} values, not {len(values)}")
    for name in named:
        if name not in self.__dataclass_fields__ or name in own:
            raise TypeError(f"{type(self).__name__} does not take {name} here")
    own.update(named)
    for name in self._needed[len(values) :]:
        if name not in own:
            raise TypeError(f"{type(self).__name__} needs {name}")
    if self._finish is not None:
        self._finish()


def _repr(self: Any) -> str:
    parts = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
    return f"{type(self).__qualname__}({', '.join(parts)})"


def _eq(self: Any, other: object) -> bool:
    if self is other:
        return True
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._key(self) == self._key(other)


def _hash(self: Any) -> int:
    return hash((type(self), self._key(self)))


def _set(self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _set,
    "__delattr__": _delete,
}
