# SPDX-License-Identifier: Apache-2.0
"""beanstalkd without its log: one producer, two workers that reserve and delete, all in Python and pipelined."""

import multiprocessing
import socket
import time

from peers.process import first_line, free_port, running

NAME, KIND, INSTALL = "beanstalkd", "tasks", "beanstalkd"
WINDOW = 200  # commands of a connection under way


def version():
    return first_line("beanstalkd", "-v")


def _work(port, total, done, everything):
    """Reserves and deletes until all are gone."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.05)
        connection.sendall(b"reserve-with-timeout 0\r\n" * WINDOW)
        kept = b""
        while not everything.is_set():
            try:
                received = connection.recv(1 << 18)
            except TimeoutError:
                continue
            *lines, kept = (kept + received).split(b"\r\n")
            reserved = [line.split()[1] for line in lines if line.startswith(b"RESERVED")]
            deleted = sum(line == b"DELETED" for line in lines)
            answered = len(reserved) + sum(line == b"TIMED_OUT" for line in lines)
            connection.sendall(b"".join(b"delete %s\r\n" % job for job in reserved)
                               + b"reserve-with-timeout 0\r\n" * answered)
            with done.get_lock():
                done.value += deleted
                if done.value >= total:
                    everything.set()


def _put(port, count):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        job = b"put 0 0 60 16\r\n0123456789abcdef\r\n"
        answers = 0
        for sent in range(0, count, WINDOW):
            connection.sendall(job * min(WINDOW, count - sent))
            while answers < min(sent + WINDOW, count):
                answers += connection.recv(1 << 18).count(b"\n")


def rate(count, folder):
    port = free_port()
    done, everything = multiprocessing.Value("q", 0), multiprocessing.Event()
    with running(["beanstalkd", "-l", "127.0.0.1", "-p", str(port)], port, cwd=folder):
        workers = [multiprocessing.Process(target=_work, args=(port, count, done, everything)) for _ in range(2)]
        for worker in workers:
            worker.start()
        begun = time.perf_counter()
        _put(port, count)
        ended = everything.wait(300)
        seconds = time.perf_counter() - begun
        for worker in workers:
            worker.terminate()
            worker.join()
    if not ended:
        raise RuntimeError(f"{done.value} of {count} jobs were done within 300 s")
    return count / seconds
