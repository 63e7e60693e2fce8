# SPDX-License-Identifier: Apache-2.0
"""What adapters share: programs that are looked for, timed, or serve on a port for a while."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

PATIENCE = 30  # seconds for a server to listen
LIMIT = 600    # seconds for a measurement


def first_line(*command):
    """The first words of a program, or None when it is not there."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "")


def timed(command, **options):
    """Seconds that it takes; its failure is an error."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT, **options)
    return time.perf_counter() - begun


def python_with(*modules):
    """A Python interpreter that has these modules: this one, or the system's."""
    statement = "import " + ", ".join(modules)
    for python in (sys.executable, "/usr/bin/python3"):
        if pathlib.Path(python).exists() and subprocess.run([python, "-c", statement], capture_output=True,
                                                            timeout=60, check=False).returncode == 0:
            return python
    return None


def number_from(python, script, *arguments, **options):
    """The number that a script prints last. It is text, so that our folders are on nobody's search path."""
    command = [python, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT, **options)
    if done.returncode != 0:
        raise RuntimeError(" ".join(done.stderr.strip().splitlines()[-2:]) or f"exit code {done.returncode}")
    return float(done.stdout.split()[-1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, port=None, **options):
    """A program for as long as the block runs; if it has a port, once that one listens."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True, **options) as process:
        try:
            if port is not None:
                await_port(process, port)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)


def await_port(process, port):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen on port {port}")
