"""Settings from plain values: nested, strict, with hints."""

import json
from dataclasses import asdict, dataclass, field

import pytest

from pose_core.configuration import configured
from pose_core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    width: int = 3
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)
    others: tuple[Inner, ...] = ()


def test_settings_come_back_from_json():
    settings = Outer("a", Inner(5, (7,)), (Inner(), Inner(9)))
    assert configured(Outer, json.loads(json.dumps(asdict(settings)))) == settings


def test_what_is_not_named_has_its_default():
    assert configured(Outer, {"name": "a"}) == Outer("a")


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"name": "a", "iner": {}}, "Outer has no setting 'iner'", "'inner'"),
        ({"name": "a", "inner": {"witdh": 1}}, "Outer.inner has no setting 'witdh'", "'width'"),
        ({"name": "a", "others": [{}, {"x": 1}]}, r"Outer.others\[1\] has no setting 'x'", "width"),
        ({"name": "a", "inner": 3}, "Outer.inner must be a table", ""),
        ({}, "Outer cannot be made", ""),
    ],
)
def test_what_is_wrong_is_named(values, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        configured(Outer, values)
    assert hint in caught.value.hint
