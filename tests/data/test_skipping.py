"""Damaged samples: named, skipped, counted; too many stop the run at once."""

import pytest

from pose_core.data.skipping import SkipLog, read_each
from pose_core.errors import DataError


def read_all(total, damaged):
    opened = []

    def read(item):
        opened.append(item)
        if item in damaged:
            raise DataError(f"{item} is torn", "Buy a new one.")
        return item * item

    log = SkipLog(total)
    return read_each(range(total), read, lambda item: f"number {item}", log), log, opened


@pytest.mark.parametrize(("total", "damaged"), [(100, {5}), (300, {0, 150, 299}), (10, set())])
def test_up_to_one_per_cent_are_skipped(total, damaged):
    pairs, log, _ = read_all(total, damaged)
    assert list(pairs) == [(i, i * i) for i in range(total) if i not in damaged]
    assert set(log.reasons) == {f"number {i}" for i in damaged}
    assert len(log.lines()) == (len(damaged) + 1 if damaged else 0)


@pytest.mark.parametrize(("total", "damaged"), [(99, {5}), (100, {5, 7}), (1, {0})])
def test_more_stop_the_run_at_once(total, damaged):
    pairs, _, opened = read_all(total, damaged)
    with pytest.raises(DataError, match=f"{len(damaged)} of {total} samples.*is torn"):
        list(pairs)
    assert max(opened) == max(damaged)


def test_one_item_is_read_at_a_time():
    pairs, _, opened = read_all(50, set())
    next(pairs)
    next(pairs)
    assert opened == [0, 1]


def test_other_errors_are_not_hidden():
    def read(item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_each([1], read, str, SkipLog(1)))
