# SPDX-License-Identifier: Apache-2.0
"""celery on redis: two prefork workers; results are kept, for that is how the end of all is known."""

from peers.process import first_line, free_port, number_from, python_with, running

NAME, KIND, INSTALL = "celery and redis", "tasks", "python3-celery python3-redis redis-server"
AT_MOST = 2000  # tasks: it takes more than a millisecond for each

APPLICATION = """
import os
from celery import Celery
app = Celery("bench_noop", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(worker_prefetch_multiplier=100, broker_connection_retry_on_startup=True)
@app.task(name="bench_noop.noop")
def noop(number):
    return None
"""

CLIENT = """
import sys, time
from celery import group
from bench_noop import noop
def run(count):
    group(noop.s(number) for number in range(count))().get(timeout=500)
run(20)
begun = time.perf_counter()
count = int(sys.argv[1])
run(count)
print(count / (time.perf_counter() - begun))
"""


def version():
    server = first_line("redis-server", "--version")
    python = python_with("celery", "redis")
    if server is None or python is None:
        return None
    return f"celery {first_line(python, '-c', 'import celery; print(celery.__version__)')}; {server}"


def rate(count, folder):
    port = free_port()
    (folder / "bench_noop.py").write_text(APPLICATION)
    python = python_with("celery", "redis")
    place = {"cwd": folder, "env": {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "HOME": str(folder),
                                    "BENCH_REDIS": f"redis://127.0.0.1:{port}/0"}}
    redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    worker = [python, "-m", "celery", "-A", "bench_noop", "worker", "--concurrency", "2", "--loglevel", "error"]
    with running(redis, port, cwd=folder), running(worker, **place):
        return number_from(python, CLIENT, count, **place)
