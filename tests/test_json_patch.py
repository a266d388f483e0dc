"""Patches of JSON values: there and back, and as small as what has changed."""

import json

import pytest

from pose_core import json_patch


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2, 3]}),
        ({"a": {"x": None}}, {"a": {}}),
        ({"a": 1}, {"a": None}),
        ([1, [2, {"x": 3}]], [1, [2, {"x": 4}], "more"]),
        ({"a": [1, 2, 3]}, {"a": []}),
        ("text", {"to": {"keys": 1}}),
        (1, True),
        (None, []),
    ],
)
def test_json_patches_lead_there_and_back(before, after):
    for one, other in ((before, after), (after, before)):
        patch = json.loads(json.dumps(json_patch.diff(one, other)))
        assert json.dumps(json_patch.patched(one, patch)) == json.dumps(other)
    assert json_patch.diff(after, json.loads(json.dumps(after))) is None


def test_a_patch_holds_what_differs_and_must_fit():
    long = {"notes": [f"note {i}" for i in range(1000)], "steps": list(range(1000))}
    patch = json_patch.diff(long, long | {"notes": [*long["notes"], "one more"]})
    assert patch == {"keys": {"notes": {"keep": 1000, "then": ["one more"]}}}
    with pytest.raises(ValueError, match="shorter"):
        json_patch.patched({"notes": []}, patch)
    with pytest.raises(KeyError):
        json_patch.patched({}, patch)
