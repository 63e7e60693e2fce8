# SPDX-License-Identifier: Apache-2.0
"""dask.distributed: two worker processes of one thread each, and no throttle for flat maps."""

from peers.process import first_line, number_from, python_with

NAME, KIND, INSTALL = "dask.distributed", "tasks", "python3-distributed"
AT_MOST = 5000  # tasks: it takes 0.2 ms and more for each

SCRIPT = """
import sys, time, dask
from distributed import Client, LocalCluster, wait
dask.config.set({"distributed.scheduler.worker-saturation": "inf"})
def noop(number):
    return None
if __name__ == "__main__":
    count = int(sys.argv[1])
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True) as cluster:
        with Client(cluster) as client:
            wait(client.map(noop, range(100), pure=False))
            begun = time.perf_counter()
            wait(client.map(noop, range(count), pure=False))
            print(count / (time.perf_counter() - begun))
"""


def version():
    python = python_with("distributed")
    return python and "distributed " + first_line(python, "-c", "import distributed; print(distributed.__version__)")


def rate(count, folder):
    return number_from(python_with("distributed"), SCRIPT, count, cwd=folder)
