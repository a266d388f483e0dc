"""Colours of the two sides of the body, the same wherever a skeleton is drawn.

Orange and blue of the Okabe-Ito set, which people with any common colour blindness tell apart.
They are data: they do not change with the theme of the application. RGB, 0..255.
"""

LEFT = (230, 159, 0)
RIGHT = (0, 114, 178)
MIDDLE = (200, 200, 200)

# Reddish purple of the same set: what is known to be true, whatever was estimated.
TRUTH = (204, 121, 167)

# Thin dark rim around lines and joints, so that they read on any picture.
OUTLINE = (20, 20, 20)

SIDE_COLOURS = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
