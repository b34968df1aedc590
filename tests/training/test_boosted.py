from __future__ import annotations

import subprocess
import sys

SIDE_BY_SIDE = """
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from training.boosted import CAREFUL, Boosted

rng = np.random.default_rng(0)
values = rng.normal(size=(3000, 120)) * (rng.random((3000, 120)) < 0.1)
features = pd.DataFrame(values.astype(np.float32), columns=[f"f{k}" for k in range(120)])
target = (rng.random(3000) < 0.3).astype(float)
learner = Boosted(params={**CAREFUL, "rounds": 1})


def fit(seed):
    prepared = learner.prepare(features, np.zeros(120, bool))
    some = np.random.default_rng(seed)
    texts = [learner.fit(prepared, target, some.random(3000) < 0.8).text for _ in range(150)]
    return len(texts)


with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(fit, range(4))))
"""


def test_models_are_fitted_side_by_side():
    # The number of threads is the process's, so one fit could make another write past its room.
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SIDE_BY_SIDE],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[:400]
    assert done.stdout.strip() == "600"
