# SPDX-License-Identifier: Apache-2.0
"""Strangers at the broker's ports who speak no ZeroMQ, or too much of it, while its worker works.

As a program: attackers.py ATTACK COUNT PORT... does it, says "begun N" (how many connections it has), and holds them
until its input ends. It is one of its own, so that its descriptors are not those of the tests.
"""

import os
import pathlib
import re
import resource
import socket
import struct
import subprocess
import sys
import time

from fleet import wait_for
from keys import Keys
from samples import ONE

ENOUGH_MIB = 512  # resident; ten thousand connections take most of it

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)


def ready():
    """The command with which a DEALER ends a handshake without keys (RFC 23/ZMTP)."""
    fields = b"".join(bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
                      for name, value in ((b"Socket-Type", b"DEALER"), (b"Identity", b"")))
    body = b"\x05READY" + fields
    return bytes([4, len(body)]) + body


def send(connection, data):
    """As much as it takes: whoever is attacked may hang up."""
    try:
        connection.sendall(data)
    except OSError:
        pass


def drip(connection, data):
    for byte in data:
        send(connection, bytes([byte]))
        time.sleep(0.002)


def half_frame(connection):
    send(connection, GREETING + ready() + b"\x00\x64abc")


def announced_terabyte(connection):
    send(connection, GREETING + ready() + b"\x02" + struct.pack(">Q", 1 << 40) + b"abc")


def endless_message(connection):
    send(connection, GREETING + ready() + b"\x01\x01x" * 100_000)


ATTACKS = {
    "scan": lambda connection: connection.close(),
    "web": lambda connection: send(connection, b"POST /api HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"{}" * 10_000),
    "slow_handshake": lambda connection: drip(connection, GREETING[:40]),
    "half_frame": half_frame,
    "announced_terabyte": announced_terabyte,
    "endless_message": endless_message,
    "old_zmtp": lambda connection: send(connection, b"\x01\x00\x05\x00abcd" * 100),
    "garbage": lambda connection: send(connection, GREETING + os.urandom(100_000)),
    "slow_web": lambda connection: send(connection, b"GET /api/health HTTP/1.1\r\nX: "),
    "crowd": lambda connection: None,
}
COUNTS = {"scan": 400, "endless_message": 4, "slow_handshake": 12, "crowd": 10_000, "slow_web": 200}
USUAL = 20  # connections of an attack


def main():
    attack, count, ports = ATTACKS[sys.argv[1]], int(sys.argv[2]), [int(port) for port in sys.argv[3:]]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = []
    for number in range(min(count, limit - 100)):
        connection = socket.socket()
        connection.settimeout(5)
        try:
            connection.connect(("127.0.0.1", ports[number % len(ports)]))
        except OSError:
            continue
        attack(connection)
        held.append(connection)
    print("begun", len(held), flush=True)
    sys.stdin.read()


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) // 1024


def endure(fleet, name, ports):
    """The attack goes on until what is asked for meanwhile was done."""
    broker = fleet.processes["broker"]
    count = COUNTS.get(name, USUAL)
    attacker = subprocess.Popen([sys.executable, __file__, name, str(count), *map(str, ports)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
    try:
        run = fleet.submit(ONE)
        said = attacker.stdout.readline()
        assert said.startswith("begun "), (name, said)
        begun = time.monotonic()
        assert len(fleet.json("workers")) == 1
        answered = time.monotonic() - begun
        assert fleet.wait_run(run)["state"] == "succeeded"
        assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
        resident = resident_mib(broker)
        print(f"# {name}: {said.split()[1]} connections, status after {answered * 1000:.0f} ms, {resident} MiB")
        assert resident < ENOUGH_MIB, (name, resident)
    finally:
        attacker.stdin.close()
        attacker.wait()
        attacker.stdout.close()
    assert broker.poll() is None, fleet.log("broker")


def endure_all(fleet):
    health = [int(re.search(r"health on http://127\.0\.0\.1:(\d+)", fleet.log("broker")).group(1))]
    planes = sorted(set(fleet.listening("broker")) - set(health))
    assert len(planes) >= 3, planes
    for name in ATTACKS:
        endure(fleet, name, health if name == "slow_web" else planes)
    # Who has gone leaves nothing behind.
    descriptors = pathlib.Path(f"/proc/{fleet.processes['broker'].pid}/fd")
    wait_for("their connections to be closed", lambda: len(list(descriptors.iterdir())) < 200)


def A48_strangers_at_every_port_hold_up_nobody(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    endure_all(fleet)


def A48_strangers_at_every_port_of_a_broker_with_keys_hold_up_nobody(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    keys.start_worker("w1", "--key", keys.add("worker", "w1"))
    fleet.wait_workers(1)
    endure_all(fleet)


if __name__ == "__main__":
    main()
