# SPDX-License-Identifier: Apache-2.0
"""Hosts of their own on this machine: network namespaces, a cable from each worker's to the broker's. Needs root and
iproute2; without them the tests that want hosts are skipped.

What happens on a cable happens in silence, as between machines: nobody's connection is reset, nobody is told.
"""

import contextlib
import itertools
import os
import shutil
import subprocess

from fleet import Skipped, wait_for

PORT = 8080  # every host has all ports for itself
NOBODY = "02:00:00:00:00:99"
_numbers = itertools.count()


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Hosts:
    """A host for the broker and one for each of `workers`; the processes of these names run there."""

    def __init__(self, fleet, workers):
        self.fleet = fleet
        prefix = f"millrace-{os.getpid()}-{next(_numbers)}"
        self.broker = f"{prefix}-broker"
        self.workers = {name: f"{prefix}-{name}" for name in workers}
        self.made = []
        self.cables = {name: number for number, name in enumerate(workers, 1)}

    def make(self):
        if shutil.which("ip") is None:
            raise Skipped("there is no ip (iproute2)")
        for host in (self.broker, *self.workers.values()):
            try:
                ip("netns", "add", host)
            except OSError as error:
                raise Skipped(f"network namespaces are not permitted: {error}") from error
            self.made.append(host)
            ip("-n", host, "link", "set", "lo", "up")
        for name, number in self.cables.items():
            try:
                ip("link", "add", f"to-{name}", "netns", self.broker, "type", "veth",
                   "peer", "name", "cable", "netns", self.workers[name])
            except OSError as error:
                raise Skipped(f"there are no cables between namespaces: {error}") from error
            for host, device, last in ((self.broker, f"to-{name}", 1), (self.workers[name], "cable", 2)):
                ip("-n", host, "addr", "add", f"10.77.{number}.{last}/24", "dev", device)
                ip("-n", host, "link", "set", device, "up")
        self.fleet.inside = {key: ("ip", "netns", "exec", self.broker) for key in ("broker", "zmqctl")}
        for name, host in self.workers.items():
            self.fleet.inside[name] = ("ip", "netns", "exec", host)

    def close(self):
        self.fleet.stop()
        for host in self.made:
            ip("netns", "del", host)

    def start_broker(self, *args):
        self.fleet.start_broker("--bind", "*", "--insecure-allow-plaintext-on", "*", *args, port=PORT)
        self.fleet.env["ORCHESTRATOR_URL"] = f"tcp://127.0.0.1:{PORT}"  # of zmqctl, which runs beside it

    def start_worker(self, name, *args):
        address = f"10.77.{self.cables[name]}.1"
        self.fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2", "--no-detect-tools",
                         "--orchestrator", f"tcp://{address}:{PORT}", "--insecure-allow-plaintext-on", address, *args)
        wait_for(f"{name} to join", lambda: self.state(name) not in (None, "lost"))

    def state(self, name):
        """As the broker knows it, or None."""
        return next((row["state"] for row in self.fleet.json("workers") if row["name"] == name), None)

    def pull(self, name):
        """Pulls the cable of a worker's host out."""
        ip("-n", self.workers[name], "link", "set", "cable", "down")

    def plug(self, name):
        ip("-n", self.workers[name], "link", "set", "cable", "up")

    def mute(self, name):
        """What the worker says goes to nobody; it hears everything."""
        ip("-n", self.workers[name], "neigh", "replace", f"10.77.{self.cables[name]}.1", "lladdr", NOBODY,
           "dev", "cable", "nud", "permanent")

    def deafen(self, name):
        """What the broker says to the worker goes to nobody; it hears the worker."""
        ip("-n", self.broker, "neigh", "replace", f"10.77.{self.cables[name]}.2", "lladdr", NOBODY,
           "dev", f"to-{name}", "nud", "permanent")

    def cure(self, name):
        number = self.cables[name]
        for host, device, last in ((self.broker, f"to-{name}", 2), (self.workers[name], "cable", 1)):
            with contextlib.suppress(OSError):
                ip("-n", host, "neigh", "del", f"10.77.{number}.{last}", "dev", device)


@contextlib.contextmanager
def hosts(fleet, *workers):
    lan = Hosts(fleet, workers)
    try:
        lan.make()
        yield lan
    finally:
        lan.close()
