"""Going through a data set in which something is broken: named, skipped, counted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pose_core.errors import DataError

# More than this, and it is not a scratch but the wrong data.
MAX_SKIPPED_SHARE = 0.01

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(eq=False)
class SkipLog:
    """What could not be read.

    Parameters
    ----------
    total : int
        Items that there are, known when the reading begins.
    """

    total: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, reason: str) -> None:
        """Note an item that is skipped.

        Raises
        ------
        DataError
            When more than 1 % of all items are.
        """
        self.reasons[name] = reason
        if len(self.reasons) > MAX_SKIPPED_SHARE * self.total:
            raise DataError(
                f"{len(self.reasons)} of {self.total} samples cannot be read, the last one "
                f"{name}: {reason}",
                f"At most {MAX_SKIPPED_SHARE:.0%} may be damaged. Get the data again, or take "
                "the damaged files out.",
            )

    def lines(self) -> list[str]:
        """What to tell the user; empty when all is well."""
        if not self.reasons:
            return []
        head = f"{len(self.reasons)} of {self.total} samples were skipped:"
        return [head, *(f"  {name}: {reason}" for name, reason in self.reasons.items())]


def read_each(
    items: Sequence[Item],
    read: Callable[[Item], Value],
    name: Callable[[Item], str],
    log: SkipLog,
) -> Iterator[tuple[Item, Value]]:
    """Read items one after the other, holding one at a time.

    Parameters
    ----------
    items : sequence
    read : callable
        Raises `DataError` where an item is damaged.
    name : callable
        Name of an item for the log.
    log : SkipLog
        Takes down what is skipped.

    Yields
    ------
    item, value

    Raises
    ------
    DataError
        When more than 1 % of the items are damaged.
    """
    for item in items:
        try:
            value = read(item)
        except DataError as error:
            log.add(name(item), error.message)
            continue
        yield item, value
