"""Who is who: split a person, merge two, exchange them from a frame on."""

from collections.abc import Callable

import numpy as np

from app.commands import RearrangePeople
from app.dialogs.other_person import Candidate, OtherPersonDialog
from app.operations.context import AppContext
from pose_core.analysis import track_edits
from pose_core.analysis.keypoint_edits import BY_HAND
from pose_core.errors import ConfigError
from pose_core.session import Track


def split_at_playhead(context: AppContext) -> int | None:
    """Make the selected person another one from the shown frame on; gives the new track id."""
    session, track = context.document.session, context.selected_track
    if session is None or track is None:
        return None
    frame, present = context.view_state.frame, track.present_mask
    if not present[:frame].any() or not present[frame:].any():
        context.notice(
            f"Nothing to split: {track.name} is not both before this frame and from it on."
        )
        return None
    track_id = max(each.track_id for each in session.tracks) + 1
    parts = track_edits.split(track, frame, track_id, f"Person {track_id}")
    text = f"Split {track.name} at Frame {frame}"
    _push(context, text, (track.track_id,), parts)
    context.notice(
        f"From frame {frame} on {track.name} is {parts[1].name} now. Ctrl+Z takes it back."
    )
    return track_id


def ask_and_merge(context: AppContext) -> None:
    """Ask who is the same person as the selected one, and make them one."""
    track = context.selected_track
    if track is not None:
        _ask(
            context,
            track,
            "Merge",
            f"Who is {track.name} too? The two become one, named {track.name}.",
            lambda other, prefers_other: merge(context, track, other, prefers_other=prefers_other),
            asks_whose=True,
        )


def ask_and_exchange(context: AppContext) -> None:
    """Ask whom the selected person is taken for, and exchange the two from the shown frame on."""
    track, frame = context.selected_track, context.view_state.frame
    if track is not None:
        _ask(
            context,
            track,
            "Exchange",
            f"From frame {frame} on, who is {track.name} in truth? The two are exchanged there.",
            lambda other, _: exchange(context, track, other, frame),
            asks_whose=False,
        )


def merge(context: AppContext, track: Track, other: Track, *, prefers_other: bool) -> None:
    """Put what another person has into one; in frames that both have one of them is kept."""
    shared = track.present_mask & other.present_mask
    dropped, kept = (track, other) if prefers_other else (other, track)
    try:
        after = track_edits.merged(track, other, prefers_other=prefers_other)
    except ConfigError as error:
        context.show_error(error, "Merging two people")
        return
    _push(context, f"Merge {other.name} into {track.name}", _ids(track, other), (after,))
    words = f"{other.name} is {track.name} now."
    if shared.any():
        words += f" In {shared.sum()} frames both were: those of {kept.name} were kept"
        num_lost = _num_by_hand(dropped, shared)
        words += f", {num_lost} joints you had set in {dropped.name} were not." if num_lost else "."
    context.notice(f"{words} Ctrl+Z takes it back.")


def exchange(context: AppContext, track: Track, other: Track, frame: int) -> None:
    """Exchange two people from a frame on."""
    try:
        after = track_edits.exchanged(track, other, frame)
    except ConfigError as error:
        context.show_error(error, "Exchanging two people")
        return
    text = f"Exchange {track.name} and {other.name} from Frame {frame}"
    _push(context, text, _ids(track, other), after)
    context.notice(
        f"{track.name} and {other.name} are exchanged from frame {frame} on. Ctrl+Z takes it back."
    )


def _ask(
    context: AppContext,
    track: Track,
    title: str,
    question: str,
    act: Callable[[Track, bool], None],
    *,
    asks_whose: bool,
) -> None:
    session = context.document.session
    others = [each for each in (session.tracks if session else ()) if each is not track]
    if not others:
        context.notice(f"There is nobody but {track.name}.")
        return
    revision = context.document.revision

    def on_accept(track_id: int, prefers_other: bool) -> None:
        other = context.track(track_id)
        if other is not None and context.document.revision == revision:
            act(other, prefers_other)
        else:
            context.notice("The session has changed meanwhile: nothing was done.")

    candidates = [_candidate(track, each) for each in others]
    OtherPersonDialog(
        title, question, track.name, candidates, on_accept, context.window, asks_whose=asks_whose
    ).open()


def _candidate(track: Track, other: Track) -> Candidate:
    num_shared = int((track.present_mask & other.present_mask).sum())
    frames = other.present_frames
    facts = f"frames {frames[0]} to {frames[-1]}" if len(frames) else "in no frame"
    if num_shared:
        facts += f", {num_shared} of them shared"
    return Candidate(other.track_id, other.name, facts, num_shared)


def _push(
    context: AppContext, text: str, before: tuple[int, ...], after: tuple[Track, ...]
) -> None:
    """Put tracks in the place of those with the ids of `before`."""
    session = context.document.session
    assert session is not None
    others = [each for each in session.tracks if each.track_id not in before]
    tracks = sorted([*others, *after], key=lambda each: each.track_id)
    ids = tuple(sorted({*before, *(each.track_id for each in after)}))
    command = RearrangePeople(context.document, text, session.with_tracks(tuple(tracks)), ids)
    context.document.undo_stack.push(command)


def _ids(*tracks: Track) -> tuple[int, ...]:
    return tuple(track.track_id for track in tracks)


def _num_by_hand(track: Track, mask: np.ndarray) -> int:
    sources = np.asarray(track.keypoints.sources)[mask]
    return int(np.isin(sources, BY_HAND).sum())
