# SPDX-License-Identifier: Apache-2.0
"""A wire between a worker and its broker that a test can cut, freeze and garble: a TCP proxy for all planes.

It listens on another loopback address, on the ports that the broker has: whoever dials the control channel there
dials the other planes there too.
"""

import contextlib
import random
import selectors
import socket
import threading

HOST = "127.0.0.2"
TO_BROKER, TO_WORKER = "to the broker", "to the worker"


class Proxy:
    def __init__(self, ports):
        self.ports = list(ports)
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.listeners = {}
        self.other = {}  # each end of a connection -> the end it is joined to
        self.plane = {}  # end -> port
        self.bytes = dict.fromkeys(self.ports, 0)
        self.way = {}  # end -> the way that goes what is read from it
        self.frozen = set()  # (port, way): nothing is read there, so that the sender's buffers fill up
        self.garbling = {}  # port -> bytes that pass between two wrong bits
        self.ended = False
        self.heal()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def url(self):
        return f"tcp://{HOST}:{self.ports[0]}"

    def heal(self, ports=None):
        """Lets connections be made again."""
        with self.lock:
            for port in ports or self.ports:
                if port in self.listeners:
                    continue
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((HOST, port))
                listener.listen()
                self.listeners[port] = listener
                self.selector.register(listener, selectors.EVENT_READ, port)

    def cut(self, ports=None):
        """Ends every connection on these planes, and refuses new ones until heal()."""
        with self.lock:
            for port in ports or self.ports:
                listener = self.listeners.pop(port, None)
                if listener is not None:
                    self.selector.unregister(listener)
                    listener.close()
                for end in [end for end, plane in self.plane.items() if plane == port]:
                    self.hang_up(end)

    def freeze(self, *ways, ports=None):
        """Holds what goes these ways, on connections that stay as they are, until thaw()."""
        with self.lock:
            self.frozen |= {(port, way) for port in ports or self.ports for way in ways}
            self.watch()

    def thaw(self):
        with self.lock:
            self.frozen.clear()
            self.watch()

    def watch(self):
        for end, port in self.plane.items():
            held = (port, self.way[end]) in self.frozen
            if held and end in self.selector.get_map():
                self.selector.unregister(end)
            elif not held and end not in self.selector.get_map():
                self.selector.register(end, selectors.EVENT_READ, port)

    def garble(self, port, every):
        """Turns a bit about each `every` bytes, both ways; 0 = no more."""
        with self.lock:
            self.garbling[port] = every

    def close(self):
        self.ended = True
        self.thread.join()
        self.cut()

    def hang_up(self, end):
        other = self.other.pop(end, None)
        if other is None:
            return
        del self.other[other]
        for one in (end, other):
            del self.plane[one], self.way[one]
            if one in self.selector.get_map():
                self.selector.unregister(one)
            one.close()

    def run(self):
        while not self.ended:
            for key, _ in self.selector.select(timeout=0.05):
                with self.lock:
                    if key.fileobj in self.listeners.values():
                        self.join(key.fileobj, key.data)
                    elif key.fileobj in self.other:
                        self.pass_on(key.fileobj)

    def join(self, listener, port):
        near, _ = listener.accept()
        far = socket.socket()
        try:
            far.connect(("127.0.0.1", port))
        except OSError:
            near.close()
            far.close()
            return
        self.other[near], self.other[far] = far, near
        self.way[near], self.way[far] = TO_BROKER, TO_WORKER
        self.plane[near] = self.plane[far] = port
        self.watch()

    def pass_on(self, end):
        data = b""
        with contextlib.suppress(OSError):
            data = end.recv(1 << 16)
        if not data:
            self.hang_up(end)
            return
        port = self.plane[end]
        every = self.garbling.get(port, 0)
        if every and self.bytes[port] // every < (self.bytes[port] + len(data)) // every:
            wrong = bytearray(data)
            wrong[random.randrange(len(data))] ^= 1 << random.randrange(8)
            data = bytes(wrong)
        self.bytes[port] += len(data)
        try:
            self.other[end].sendall(data)
        except OSError:
            self.hang_up(end)
