"""Preloaded by the workers of a cluster: the made problem, in the processes that run their cells."""

import made_bench

from acofer.bench import worker


def dask_setup(_worker):
    worker._serve = made_bench.serve
