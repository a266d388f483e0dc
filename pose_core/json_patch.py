"""What turns one JSON value into another, as JSON: small where little has changed.

A patch is one of

- ``{"to": value}``: another value altogether,
- ``{"keys": {name: patch or None}}``: entries of an object, None drops one,
- ``{"keep": n, "then": [...]}``: a list whose first `n` entries stay.

Lists mostly grow at their end (notes of edits), so nothing cleverer is needed for them.
"""

from typing import Any


def diff(before: Any, after: Any) -> dict[str, Any] | None:
    """The patch that turns `before` into `after`; None where they are equal.

    Parameters
    ----------
    before, after : JSON value
        Neither is changed; the patch shares what it holds with `after`.
    """
    if before is after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        keys: dict[str, Any] = {name: None for name in before if name not in after}
        for name, value in after.items():
            patch = diff(before[name], value) if name in before else {"to": value}
            if patch is not None:
                keys[name] = patch
        return {"keys": keys} if keys else None
    # 1 == 1.0 == True, but they are not the same text.
    if type(before) is type(after) and before == after:
        return None
    if isinstance(before, list) and isinstance(after, list):
        pairs = enumerate(zip(before, after, strict=False))
        num_same = next((i for i, (old, new) in pairs if old != new), min(len(before), len(after)))
        return {"keep": num_same, "then": after[num_same:]}
    return {"to": after}


def patched(value: Any, patch: dict[str, Any] | None) -> Any:
    """The value after a patch; what the patch leaves alone is shared with `value`.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the patch was not made for this value.
    """
    if patch is None:
        return value
    if "to" in patch:
        return patch["to"]
    if "keep" in patch:
        if not isinstance(value, list) or not 0 <= patch["keep"] <= len(value):
            raise ValueError("a list is shorter than what shall stay of it")
        return value[: patch["keep"]] + patch["then"]
    result = dict(value)
    for name, change in patch["keys"].items():
        if change is None:
            del result[name]
        elif "to" in change:
            result[name] = change["to"]
        else:
            result[name] = patched(result[name], change)
    return result


def num_bytes(value: Any) -> int:
    """About what a JSON value takes in memory."""
    if isinstance(value, dict):
        return 64 + sum(64 + num_bytes(each) for each in value.values())
    if isinstance(value, list):
        if not value or not isinstance(value[0], dict | list | str):
            return 64 + 32 * len(value)
        return 64 + sum(8 + num_bytes(each) for each in value)
    return 64 + len(value) if isinstance(value, str) else 32
