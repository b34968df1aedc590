from concurrent.futures import ThreadPoolExecutor

import numpy as np

from training.scratch import Scratch


def test_a_name_has_the_same_memory_again_and_others_have_their_own() -> None:
    scratch = Scratch()
    first = scratch.array("a", (4, 8), np.float32)
    assert np.shares_memory(scratch.array("a", (2, 3), np.float32), first)
    assert not np.shares_memory(scratch.array("b", (4, 8), np.float32), first)
    assert not np.shares_memory(scratch.array("a", (4, 8), np.int32), first)
    assert scratch.array("a", (40, 8), np.float32).shape == (40, 8)


def test_threads_do_not_write_into_each_others_memory() -> None:
    scratch = Scratch()
    mine = scratch.array("a", (4,), np.float64)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(scratch.array, "a", (4,), np.float64).result()
    assert not np.shares_memory(mine, other)
