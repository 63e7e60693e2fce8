# SPDX-License-Identifier: Apache-2.0
"""gearmand: one client with many jobs under way, two workers, all in Python over its binary protocol, pipelined."""

import multiprocessing
import shutil
import socket
import struct
import time

from peers.process import first_line, free_port, running

NAME, KIND, INSTALL = "gearmand", "tasks", "gearman-job-server"
WINDOW = 1000  # jobs of the client under way
GRABS = 50     # of a worker under way

CAN_DO, PRE_SLEEP, NOOP, SUBMIT_JOB, JOB_CREATED, GRAB_JOB, NO_JOB, JOB_ASSIGN = 1, 4, 6, 7, 8, 9, 10, 11
WORK_COMPLETE = 13


def version():
    return first_line("gearmand", "--version") if shutil.which("gearmand") else None


def packet(kind, *parts):
    body = b"\0".join(parts)
    return b"\0REQ" + struct.pack(">II", kind, len(body)) + body


class Packets:
    """Those that arrive on a connection: lists of (kind, body)."""

    def __init__(self, connection):
        self.connection, self.kept = connection, b""

    def receive(self):
        received = self.connection.recv(1 << 18)
        if not received:
            raise EOFError
        data, at, found = self.kept + received, 0, []
        while len(data) - at >= 12:
            kind, size = struct.unpack_from(">II", data, at + 4)
            if len(data) - at - 12 < size:
                break
            found.append((kind, data[at + 12:at + 12 + size]))
            at += 12 + size
        self.kept = data[at:]
        return found


def _work(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        packets = Packets(connection)
        connection.sendall(packet(CAN_DO, b"noop") + packet(GRAB_JOB) * GRABS)
        grabbing = GRABS
        while True:
            answers = []
            try:
                received = packets.receive()
            except EOFError:
                return
            for kind, body in received:
                if kind == JOB_ASSIGN:
                    answers.append(packet(WORK_COMPLETE, body.split(b"\0", 1)[0], b"") + packet(GRAB_JOB))
                elif kind == NO_JOB:
                    grabbing -= 1
                    if grabbing == 0:
                        answers.append(packet(PRE_SLEEP))
                elif kind == NOOP:
                    answers.append(packet(GRAB_JOB) * (GRABS - grabbing))
                    grabbing = GRABS
            connection.sendall(b"".join(answers))


def _submit(port, count):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(300)
        packets = Packets(connection)
        sent = ended = 0
        while ended < count:
            more = min(count - sent, WINDOW - (sent - ended))
            connection.sendall(b"".join(packet(SUBMIT_JOB, b"noop", b"%d" % (sent + i), b"0123456789abcdef")
                                        for i in range(more)))
            sent += more
            ended += sum(kind == WORK_COMPLETE for kind, _ in packets.receive())


def rate(count, folder):
    port = free_port()
    server = ["gearmand", "--listen", "127.0.0.1", "--port", str(port), "--threads", "1", "--log-file", "none"]
    with running(server, port, cwd=folder):
        workers = [multiprocessing.Process(target=_work, args=(port,), daemon=True) for _ in range(2)]
        for worker in workers:
            worker.start()
        begun = time.perf_counter()
        _submit(port, count)
        seconds = time.perf_counter() - begun
        for worker in workers:
            worker.terminate()
            worker.join()
    return count / seconds
