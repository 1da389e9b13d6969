"""A real Chromium for tests, without a window: driven by its own protocol through two pipes.

Each message is JSON, ended by a zero byte (`--remote-debugging-pipe`): no port, no library.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)

SECONDS = 60.0
"""How long a busy machine may take for anything."""

_WATCHED = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Browser:
    """A running Chromium."""

    def __init__(self, sending: int, receiving: int) -> None:
        self._sending = sending
        self._receiving = receiving
        self._numbers = itertools.count(1)
        self._rest = b""
        self._heard: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """Ask the browser for something and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._sending, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._heard.append(answer)

    def events(self, session: str) -> list[dict[str, Any]]:
        """All events of a page so far."""
        self.call("Browser.getVersion")
        return [e for e in self._heard if e.get("sessionId") == session]

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._receiving], [], [], deadline - time.monotonic())
            assert ready, "Chromium says nothing"
            said = os.read(self._receiving, 1 << 20)
            assert said, "Chromium has ended"
            self._rest += said
        message, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        return heard

    @contextmanager
    def page(
        self,
        url: str,
        *,
        width: int = 1200,
        height: int = 900,
        scripts: bool = True,
        dark: bool = False,
    ) -> Iterator[Page]:
        """Open a page in a fresh profile, at a size and in a theme; it is loaded when the block begins."""
        profile = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=profile)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call("Page.setLifecycleEventsEnabled", enabled=True)
        page.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCHED)
        page.resize(width, height)
        page.theme(dark=dark)
        if not scripts:
            page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.open(url)
        try:
            yield page
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=profile)


class Page:
    """One open page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: object) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        told = self.call("Page.navigate", url=url)
        assert "errorText" not in told, told
        loaded = ("load", told["loaderId"])
        self.await_that(
            lambda: (
                loaded in [(e["name"], e["loaderId"]) for e in self.happened("Page.lifecycleEvent")]
            )
        )

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 500,
        )

    def theme(self, *, dark: bool) -> None:
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def run(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def await_that(self, what: str | Callable[[], object], seconds: float = SECONDS) -> None:
        """Wait until an expression of the page, or a function, is true."""
        deadline = time.monotonic() + seconds
        while not (self.run(f"Boolean({what})") if isinstance(what, str) else what()):
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    def type(self, text: str) -> None:
        """Type text as a keyboard would, into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text="\r" if key == "Enter" else "",
            )

    def happened(self, method: str) -> list[dict[str, Any]]:
        """What the page told of one kind of event."""
        events = self._browser.events(self._session)
        return [e["params"] for e in events if e["method"] == method]

    def asked(self) -> list[str]:
        """The address of every request that the page's policy let out."""
        failed = self.happened("Network.loadingFailed")
        stopped = {e["requestId"] for e in failed if e.get("blockedReason") == "csp"}
        sent = self.happened("Network.requestWillBeSent")
        return [e["request"]["url"] for e in sent if e["requestId"] not in stopped]

    def visits(self) -> int:
        """How often a document was loaded."""
        asked = self.happened("Network.requestWillBeSent")
        return sum(e["type"] == "Document" for e in asked)

    def complaints(self) -> list[str]:
        """What the browser found wrong: exceptions, refused content, errors in its console."""
        thrown = [e["exceptionDetails"]["text"] for e in self.happened("Runtime.exceptionThrown")]
        logged = [e["entry"] for e in self.happened("Log.entryAdded")]
        wrong = [e["text"] for e in logged if e["level"] == "error" or e["source"] == "security"]
        violations: list[str] = self.run("window.violations") or []
        return thrown + wrong + violations

    def picture(self, file: Path, *, whole: bool = False) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    program = shutil.which("chromium")
    assert program is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    words = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs_in, theirs_out),
            env=os.environ | {"HOME": str(folder), "TMPDIR": str(folder)},
        )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Browser(ours_out, ours_in)
    try:
        browser.call("Browser.getVersion")
        yield browser
    finally:
        with suppress(AssertionError, OSError):
            browser.call("Browser.close")
        os.close(ours_out)
        os.close(ours_in)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
