"""How many processors one fit uses."""

import os


def limit_threads(count: int) -> None:
    """Limit torch, and the OpenMP pools of libraries that are not imported yet.

    Two OpenMP runtimes in one process that spin while they wait cost two hundred times the time: they sleep instead.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", str(count))
