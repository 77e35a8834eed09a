"""A headless Chromium, driven over its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import base64
import contextlib
import itertools
import json
import select
import shutil
import subprocess

import pytest

PROGRAMS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser", "chrome-headless-shell")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000", "--remote-debugging-pipe")
_PATIENCE = 600  # seconds, for an answer


@contextlib.contextmanager
def chromium(folder):
    """A `Browser` that keeps its own files in ``folder``; skips the test where no Chromium is on PATH."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on PATH")
    # it listens on descriptor 3 and answers on 4
    command = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", program, *_FLAGS, f"--user-data-dir={folder}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        try:
            yield Browser(process.stdin, process.stdout)
        finally:
            process.kill()


class Browser:
    """One tab. ``faults`` of the page that is open: what its console was told, requests that failed or left this machine."""

    def __init__(self, commands, answers):
        self._commands, self._answers, self._rest = commands, answers, b""
        self._numbers, self._tab, self._events = itertools.count(1), {}, []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._tab = {"sessionId": self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, address):
        """Open a page, and wait until all that it loads is there."""
        self._events.clear()
        failed = self._call("Page.navigate", url=address).get("errorText")
        assert not failed, f"{address}: {failed}"
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._received())

    def faults(self):
        return [fault for event in self._events if (fault := _fault(event["method"], event["params"]))]

    def evaluate(self, script):
        """The value of an expression in JavaScript, which must be JSON."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path):
        """Write what the window shows as a PNG file."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method, **params):
        number = next(self._numbers)
        self._commands.write(json.dumps({"id": number, "method": method, "params": params, **self._tab}).encode() + b"\0")
        while (answer := self._received()).get("id") != number:
            self._events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _received(self):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
            more = self._answers.read(1 << 16) if ready else b""
            assert more, "Chromium ended, or does not answer"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _fault(method, params):
    """An event of the protocol in words, where it is a fault; else None."""
    if method == "Runtime.consoleAPICalled":
        return f"console: {[each.get('value') for each in params['args']]}"
    if method == "Runtime.exceptionThrown":
        return f"exception: {params['exceptionDetails'].get('exception', {}).get('description')}"
    if method == "Log.entryAdded":
        return f"log: {params['entry']['text']}"
    if method == "Network.loadingFailed":
        return f"not loaded: {params['type']}, {params['errorText']}"
    if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:")):
        return f"from outside: {params['request']['url']}"
    return None
