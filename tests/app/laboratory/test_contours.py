"""Lines of equal value."""

import numpy as np

from app.laboratory.contours import contour_segments


def test_the_line_of_a_plane_is_straight_and_whole():
    rows, columns = np.mgrid[:12, :20].astype(float)
    ends = contour_segments(columns + 2 * rows, 13.3)
    np.testing.assert_allclose(ends @ (1.0, 2.0), 13.3)
    segments = ends.reshape(-1, 2, 2)
    length = np.linalg.norm(np.diff(segments, axis=1), axis=-1).sum()
    # From the left border, where the row is 6.65, to the top, where the column is 13.3.
    np.testing.assert_allclose(length, np.hypot(6.65, 13.3))


def test_lines_round_a_hill_close_and_holes_have_none():
    rows, columns = np.mgrid[:41, :41] - 20.0
    hill = -np.hypot(rows, columns)
    ends = contour_segments(hill, -12.0)
    np.testing.assert_allclose(np.hypot(*(ends - 20).T), 12, atol=0.05)
    _, counts = np.unique(ends.round(9), axis=0, return_counts=True)
    assert (counts == 2).all()  # every end is that of two segments
    hill[20:] = np.nan
    ends = contour_segments(hill, -12.0)
    assert len(ends)
    assert np.isfinite(ends).all()
    assert ends[:, 1].max() <= 19
    assert contour_segments(hill, 1.0).shape == (0, 2)
