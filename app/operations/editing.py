"""Small changes to the people of a session."""

from app.commands import DeletePerson, RenamePerson
from app.operations.context import AppContext


def rename(context: AppContext, track_id: int, name: str) -> None:
    """Give a person another name; an empty one changes nothing."""
    session = context.document.session
    if session is not None and name and name != session.track(track_id).name:
        context.document.undo_stack.push(RenamePerson(context.document, track_id, name))


def delete_selected(context: AppContext) -> None:
    """Remove the selected person; undo brings it back."""
    session, track_id = context.document.session, context.view_state.track_id
    if session is None or track_id is None:
        return
    name = session.track(track_id).name
    context.document.undo_stack.push(DeletePerson(context.document, track_id))
    context.notice(f"Deleted {name}. Ctrl+Z brings it back.")
