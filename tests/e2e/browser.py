# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that is told what to do over a pair of pipes, in the DevTools protocol."""

import base64
import json
import os
import select
import shutil
import struct
import subprocess
import zlib

from fleet import PATIENCE, Skipped, wait_for

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One page. Whatever it complains of (a policy that stops something, an exception) is in `complaints`."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if not program:
            raise Skipped("there is no chromium")
        there, self._to = os.pipe()
        self._from, back = os.pipe()
        script = f'exec "$@" 3<&{there} 4>&{back}'  # where the browser looks for them
        self._log = open(folder / "browser.log", "wb")
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", program, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--window-size=1400,1000", "--remote-debugging-pipe",
             f"--user-data-dir={folder / 'browser'}"],
            pass_fds=(there, back), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        os.close(there)
        os.close(back)
        self._buffer = b""
        self._last = 0
        self._session = None
        self._loaded = False
        self.complaints = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()
        os.close(self._to)
        os.close(self._from)

    def _read(self):
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], PATIENCE)[0]:
                raise AssertionError(f"the browser has said nothing for {PATIENCE} s")
            chunk = os.read(self._from, 1 << 16)
            if not chunk:
                raise AssertionError("the browser has ended")
            self._buffer += chunk
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _call(self, method, **params):
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == self._last:
                assert "error" not in told, (method, told)
                return told["result"]
            self._loaded |= told.get("method") == "Page.loadEventFired"
            if told.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(told["params"])

    def open(self, address):
        self._loaded = False
        self._call("Page.navigate", url=address)
        wait_for("the page", lambda: self._loaded or self.value("0") or self._loaded)

    def value(self, expression):
        told = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def click(self, selector):
        """Where a person would: in the middle of what is there."""
        box = self.value(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                         "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); "
                         "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for event in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=event, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, text):
        self._call("Input.insertText", text=text)

    def photograph(self):
        """A PNG of all of the page."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])


def colours(png):
    """How many different bytes a picture has: a blank one has a handful."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n", png[:8]
    at, packed = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at:at + 4])
        if png[at + 4:at + 8] == b"IDAT":
            packed += png[at + 8:at + 8 + length]
        at += 12 + length
    return len(set(zlib.decompress(packed)))
