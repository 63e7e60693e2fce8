# SPDX-License-Identifier: Apache-2.0
"""A broker and workers as a person would start them, for the end-to-end tests: real programs, loopback, any ports."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 60  # seconds until a condition that does not come true fails the test


class Skipped(Exception):
    """This machine cannot do what the test needs; says what that is."""


def wait_for(what, condition):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s for: {what}")


def is_alive(pid):
    """Whether the process runs: a zombie does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lines(file):
    """The complete lines of a file that tasks append to."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


class Fleet:
    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="millrace-e2e."))
        self.dir = self.root
        self.work = self.dir / "work"
        self.work.mkdir()
        self.temporary = self.root / "tmp"
        self.temporary.mkdir()
        self.processes = {}
        self.reserved = []  # sockets that keep our ports from other tests while no broker of ours is there
        self.inside = {}  # process or "zmqctl" -> the words before its program, when it runs on another host
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("MILLRACE_") and key not in ("ORCHESTRATOR_URL", "WORKER_ID", "LOG_LEVEL")}
        self.env["TMPDIR"] = str(self.temporary)
        self.env["XDG_CONFIG_HOME"] = str(self.dir / "config")
        self.env["XDG_CACHE_HOME"] = str(self.dir / "cache")
        self.env["XDG_STATE_HOME"] = str(self.dir / "state")
        self.env["MILLRACE_DETECT_TOOLS"] = "false"  # asking every tool for its version takes a second of each core

    def program(self, name):
        folder = {"millrace-broker": "broker", "millrace-worker": "worker", "zmqctl": "tools",
                  "crowd": "bench"}.get(name, "examples/cpp")
        return str(self.build / folder / name)

    def start(self, key, name, *args, env=None):
        log = open(self.dir / f"{key}.log", "ab")
        process = subprocess.Popen([*self.inside.get(key, ()), self.program(name), *args], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, env={**self.env, **(env or {})}, cwd=self.work)
        log.close()
        self.processes[key] = process
        return process

    def free_port(self):
        """A control port whose planes are free as well, outside of what the system hands out by itself. It stays ours
        until the end of the test, also while our broker is dead: who holds the UDP port of the same number has it."""
        while True:
            port = random.randrange(12000, 32000, 20)
            reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                reservation.bind(("127.0.0.1", port))
                for plane in (0, 1, 2, 3, 10):
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", port + plane))
                self.reserved.append(reservation)
                return port
            except OSError:
                reservation.close()

    def start_broker(self, *args, key="broker", data="data", port=0, env=None):
        ready = self.dir / f"{key}.endpoint"
        ready.unlink(missing_ok=True)
        process = self.start(key, "millrace-broker", "--port", str(port), "--data-dir", str(self.dir / data),
                             "--ready-file", str(ready), *args, env=env)
        wait_for("the broker's endpoint", lambda: ready.exists() or process.poll() is not None)
        if not ready.exists():
            raise AssertionError(self.log(key))
        self.env["ORCHESTRATOR_URL"] = ready.read_text().strip()
        return process

    def start_workers(self, *names, args=()):
        for name in names:
            self.start(name, "millrace-worker", "--worker-id", name, "--slots", "2", *args)
        self.wait_workers(len([key for key in self.processes if key.startswith("w")]))

    def wait_kept(self, name, words):
        """Waits until an outcome with these words is on the disk of this worker."""
        log = self.dir / "state" / "millrace" / "workers" / name / "outbox.sqlite-wal"
        wait_for(f"an outcome on the disk of {name}", lambda: log.exists() and words.encode() in log.read_bytes())

    def wait_workers(self, count):
        self.ctl("workers", "--wait-for", str(count))

    def ctl(self, *args, code=0, timeout=PATIENCE):
        done = subprocess.run([*self.inside.get("zmqctl", ()), self.program("zmqctl"), *args], capture_output=True,
                              text=True, env=self.env, cwd=self.work, timeout=timeout, check=False)
        if code is not None and done.returncode != code:
            said = done.stdout + done.stderr
            raise AssertionError(f"zmqctl {' '.join(args)} gave {done.returncode}, not {code}:\n{said}")
        return done

    def json(self, *args):
        return json.loads(self.ctl(*args, "--json").stdout)

    def pipeline(self, text):
        file = self.dir / "pipeline.yaml"
        file.write_text(text)
        return str(file)

    def submit(self, text):
        return self.ctl("submit", self.pipeline(text)).stdout.strip()

    def wait_run(self, run):
        """The row of the run once it has ended. As long as its tasks go on, however slowly, it is waited for."""
        def row():
            return next((row for row in self.json("runs") if row["run"] == run), {})

        def ended(row):
            return row.get("state") in ("succeeded", "failed", "cancelled")
        seen = row()
        while not ended(seen):
            before = seen["succeeded"] if seen else None
            seen = wait_for(f"more of run {run} than {before} tasks",
                            lambda old=before: (now := row()) and (ended(now) or now["succeeded"] != old) and now)
        return seen

    def listening(self, key):
        """The TCP ports on which this process listens."""
        inodes = set()
        for fd in pathlib.Path(f"/proc/{self.processes[key].pid}/fd").iterdir():
            target = os.readlink(fd)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listen = "0A"
        return [int(row[1].split(":")[1], 16) for row in rows if row[3] == listen and row[9] in inodes]

    def log(self, key):
        return (self.dir / f"{key}.log").read_text(errors="replace")

    def kill(self, key):
        process = self.processes.pop(key)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def close(self):
        self.stop()
        for reservation in self.reserved:
            reservation.close()
        shutil.rmtree(self.root, ignore_errors=True)
