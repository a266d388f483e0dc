"""Settings from plain values: files and command lines in, frozen dataclasses out."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pose_core.errors import ConfigError

T = TypeVar("T")


def configured(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """A dataclass from names and plain values; defaults for all that is not named.

    Tables become the dataclass of their field, lists become tuples.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are plain values, tuples, dataclasses or tuples of dataclasses.
    values : mapping
        As JSON or TOML give them.
    where : str
        What to call it in messages; the name of the class when empty.

    Raises
    ------
    ConfigError
        If a name is unknown, one is missing, or a value is not possible.
    """
    where = where or kind.__name__
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Choose of: {', '.join(known)}."
            raise ConfigError(f"{where} has no setting {name!r}.", hint)
    made = {name: _value(hints[name], v, f"{where}.{name}") for name, v in values.items()}
    try:
        return kind(**made)
    except TypeError as error:
        raise ConfigError(f"{where} cannot be made of these settings: {error}.") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table of settings, not {value!r}.")
        return configured(hint, value, where)
    if get_origin(hint) is tuple and isinstance(value, list | tuple):
        inner = get_args(hint)[0]
        return tuple(_value(inner, v, f"{where}[{i}]") for i, v in enumerate(value))
    return value
