"""Lanes of the panels when people are split and merged."""

from dataclasses import dataclass

import numpy as np
import pytest

from app.laboratory import compare, stages
from app.laboratory.panel import LabPanel
from app.operations import rearrange_people
from app.operations.edit_poses import set_pose
from pose_core.analysis.disagreement import disagreement


@dataclass
class Panels:
    """Three panels of which two are hidden."""

    lab: object
    each: list[LabPanel]

    def settle(self):
        for panel in self.each:
            panel.refresh()
            self.lab.settle(panel)

    @property
    def lanes(self):
        """By name what the timeline shows of them."""
        names = [name for panel in self.each for name in panel.lanes._names]
        return {name: self.lab.window.timeline._lanes[name].values.copy() for name in names}

    def before_and_after(self, action):
        """The lanes as long as no answer comes, and when all are there."""
        with pytest.MonkeyPatch.context() as patch:
            for panel in self.each:
                patch.setattr(panel, "_ask", lambda *_: None)
            action()
            waiting = self.lanes
        self.settle()
        return waiting, self.lanes


@pytest.fixture
def panels(lab):
    return Panels(lab, [lab.open(name) for name in ("stages", "anatomy", "compare")])


def test_no_lane_tells_of_somebody_else(lab, panels):
    split_at = lab.state.frame
    panels.settle()
    before = panels.lanes
    assert {stages.LANE, compare.LANE, *panels.each[1].lanes._names} == before.keys()
    assert len(before) > 2  # of anatomy, too

    waiting, after = panels.before_and_after(lab.window.annotation.split_person)
    assert waiting.keys() == before.keys()
    assert not any(np.isfinite(values).any() for values in waiting.values())
    for values in after.values():
        assert not np.isfinite(values[:split_at]).any()
        assert np.isfinite(values[split_at:]).any()
    answers = np.stack([run.poses.xyz for run in lab.track.runs.values()]).astype(float)
    np.testing.assert_allclose(after[compare.LANE], 1000 * disagreement(answers), rtol=1e-5)

    lab.window.presenter.select_person(1)
    panels.settle()
    assert not any(np.isfinite(values[split_at:]).any() for values in panels.lanes.values())
    ann, other = (lab.session.track(track_id) for track_id in (1, 2))
    waiting, after = panels.before_and_after(
        lambda: rearrange_people.merge(lab.context, ann, other, prefers_other=False)
    )
    assert not any(np.isfinite(values).any() for values in waiting.values())
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)


def test_an_edit_of_the_same_person_empties_no_lane(lab, panels):
    """They would flicker with each drag."""
    panels.settle()
    before, frame = panels.lanes, lab.state.frame
    pose = lab.run.poses.xyz[frame] * np.float32(1.1)
    waiting, after = panels.before_and_after(
        lambda: set_pose(lab.context, lab.track, "fine", frame, pose)
    )
    for name, values in before.items():
        np.testing.assert_array_equal(waiting[name], values)
    changed = ~np.isclose(after[compare.LANE], before[compare.LANE], equal_nan=True)
    assert np.flatnonzero(changed).tolist() == [frame]
