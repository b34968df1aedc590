"""Questions with answers: benchmarks, baselines, ablations."""
