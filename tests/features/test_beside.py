from __future__ import annotations

import pytest

from features.beside import side_by_side


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_item_is_done_once_and_the_share_done_is_told(count):
    done: list[int] = []
    shares = list(side_by_side(done.append, range(count)))
    assert sorted(done) == list(range(count))
    assert shares == [(k + 1) / count for k in range(count)]


def test_what_goes_wrong_with_one_item_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda k: 1 / (k - 3), range(7)))
