"""The twenty rigid parts of the rendered body, and the tree in which they hang."""

LEFT, RIGHT = "left", "right"
SIDES = (LEFT, RIGHT)

_TRUNK = ("pelvis", "spine_low", "spine_middle", "chest", "neck", "head")
_PAIRED = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")

SEGMENTS = _TRUNK + tuple(f"{side}_{name}" for side in SIDES for name in _PAIRED)
INDEX = {name: index for index, name in enumerate(SEGMENTS)}

_TRUNK_PARENTS = {
    "pelvis": "",
    "spine_low": "pelvis",
    "spine_middle": "spine_low",
    "chest": "spine_middle",
    "neck": "chest",
    "head": "neck",
}
_PAIRED_PARENTS = {
    "clavicle": "chest",
    "upper_arm": "clavicle",
    "forearm": "upper_arm",
    "hand": "forearm",
    "thigh": "pelvis",
    "shin": "thigh",
    "foot": "shin",
}


def _parent(name: str) -> int:
    """Index of the parent segment, -1 for the pelvis."""
    side, _, rest = name.partition("_")
    if side in SIDES:
        parent = _PAIRED_PARENTS[rest]
        return INDEX[parent if parent in _TRUNK else f"{side}_{parent}"]
    return INDEX.get(_TRUNK_PARENTS[name], -1)


# A parent always stands before its children.
PARENTS = tuple(_parent(name) for name in SEGMENTS)
