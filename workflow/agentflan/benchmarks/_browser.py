"""One Chromium for all episodes, driven by Playwright: each episode has a window of its own, with its own cookies.

Playwright belongs to one thread, and episodes act from several: an event loop on a thread of its own does all the
driving, and the methods here wait for it, each with a limit. Nothing leaves a window but through its `Gate`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import re
import shutil
import threading
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agentflan.benchmarks._accessibility import Element, Window, visible_tree
from agentflan.benchmarks._gate import Address, Gate
from agentflan.benchmarks._web_actions import Action
from agentflan.errors import NotAvailable

VIEWPORT = {"width": 1280, "height": 720}
MOST_TABS = 10
_SYSTEM_NAMES = (  # the first has no windows to draw: a quarter of the work, the same pages
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-smooth-scrolling",  # what is seen after an action must not depend on how far a page has moved
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
]
_NOWHERE = {"server": "http://127.0.0.1:9", "bypass": "<-loopback>"}  # what no window asked for goes nowhere
_LET_IT_ACT = "new Promise(done => setTimeout(done, 20))"  # milliseconds for the page's own answer to an input
_SCROLL = "(document.scrollingElement || document.body).scrollBy(0, {sign}window.innerHeight)"
_START = 180.0  # seconds for the process to start; a busy machine takes long
_WINDOW = 10.0  # seconds for a window that a page opens
_LOOKS = 2
_GRACE = 5.0  # seconds beyond an inner limit

T = TypeVar("T")


class BrowserDied(Exception):
    """The browser's process ended, or does not answer any more."""


class PageFailed(Exception):
    """A page did not do what was asked of it; the text says why and names no host."""


class Observation(NamedTuple):
    """What the agent sees.

    Attributes:
        text: the tabs, then the visible accessibility tree of the current one.
        elements: by the ids in the text.
        url: of the current tab.
        document: tells one loading of a page from another.
    """

    text: str
    elements: dict[int, Element]
    url: str
    document: str


class Limits(NamedTuple):
    """How long things may take, in seconds.

    Attributes:
        action: one action, one observation or one loading.
        settle: pause after each action.
    """

    action: float
    settle: float


class Visit:
    """A window with its tabs. Made by `visit`."""

    def __init__(self, chromium: Chromium, context: Any, limits: Limits, gate: Gate) -> None:
        self._chromium, self._context, self._limits = chromium, context, limits
        self._page: Any = None
        self._watches: dict[Any, _Watch] = {}
        self.refused = gate.refused

    @property
    def url(self) -> str:
        """Of the current tab."""
        return self._page.url

    def open(self, url: str) -> None:
        """Load an address in the current tab.

        Raises:
            PageFailed: it is no web address, or cannot be loaded in time.
            BrowserDied: the browser ended.
        """
        self._do(self._open(url))

    def open_tab(self, url: str) -> None:
        """Load an address in a new tab, which becomes the current one; see `open`."""
        self._do(self._new_tab())
        self.open(url)

    def focus_first(self) -> None:
        """Make the first tab the current one."""
        self._do(self._focus(0))

    def observe(self) -> Observation:
        """The current tab; one that does not answer in time is closed, and an empty one takes its place.

        It is asked twice: Chromium now and then loses a question about a page that is just changing.

        Raises:
            BrowserDied: the browser ended.
        """
        for _ in range(_LOOKS):
            with contextlib.suppress(PageFailed):
                return self._chromium.wait(self._observe(), self._limits.action / _LOOKS)
        self._do(self._replace())
        return self._do(self._observe())

    def act(self, action: Action, element: Element | None) -> None:
        """Do an action; `stop` does nothing.

        Raises:
            PageFailed: it could not be done.
            BrowserDied: the browser ended.
        """
        self._do(self._act(action, element))

    def content(self) -> str:
        """The HTML of the current tab; see `open` for errors."""
        return self._do(self._page.content())

    def evaluate(self, expression: str, *arguments: Any) -> Any:
        """The value of a JavaScript expression or function in the current tab; see `open` for errors."""
        return self._do(self._page.evaluate(expression, *arguments))

    def log_in(self, url: str, user: str, password: str) -> bool:
        """Fill in the form of a page that asks for a password; whether the next page asks for none."""
        return self._do(self._log_in(url, user, password))

    def cookies(self) -> dict[str, Any]:
        """Cookies and storage, to begin another window with."""
        return self._do(self._context.storage_state())

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._chromium.wait(coroutine, self._limits.action + self._limits.settle)

    async def _open(self, url: str) -> None:
        if not re.match(r"https?://", url):
            raise PageFailed("not a web address")
        await self._page.goto(url, timeout=1000 * self._limits.action)
        await self._settle()

    async def _new_tab(self) -> None:
        if len(self._context.pages) >= MOST_TABS:
            raise PageFailed(f"more than {MOST_TABS} tabs")
        await self._show(await self._context.new_page())

    async def _show(self, page: Any) -> None:
        """Make a page the current one."""
        self._page = page
        if page not in self._watches:
            self._watches[page] = await _Watch.of(page, self._context)

    async def _focus(self, number: int) -> None:
        if number >= len(self._context.pages):
            raise PageFailed("no such tab")
        await self._context.pages[number].bring_to_front()
        await self._show(self._context.pages[number])

    async def _close_tab(self) -> None:
        await self._page.close()
        pages = self._context.pages
        await self._show(pages[-1] if pages else await self._context.new_page())

    async def _replace(self) -> None:
        """Put an empty tab in the place of one that hangs."""
        hanging = self._page
        await self._show(await self._context.new_page())
        self._chromium.forget(hanging.close())

    async def _observe(self) -> Observation:
        watch = self._watches[self._page]
        metrics = (await watch.send("Page.getLayoutMetrics"))["cssVisualViewport"]
        window = Window(metrics["pageX"], metrics["pageY"], VIEWPORT["width"], VIEWPORT["height"])
        shot = await watch.send("DOMSnapshot.captureSnapshot", computedStyles=[], includeDOMRects=True)
        nodes = (await watch.send("Accessibility.getFullAXTree"))["nodes"]
        frame = (await watch.send("Page.getFrameTree"))["frameTree"]["frame"]
        tree, elements = visible_tree(nodes, shot, window)
        return Observation(f"{await self._tabs()}\n\n{tree}", elements, self._page.url, frame["loaderId"])

    async def _tabs(self) -> str:
        titles = [await _title(page) for page in self._context.pages]
        current = self._context.pages.index(self._page)
        marks = [" (current)" if number == current else "" for number in range(len(titles))]
        return " | ".join(f"Tab {number}{mark}: {titles[number]}" for number, mark in enumerate(marks))

    async def _act(self, action: Action, element: Element | None) -> None:
        page = self._page
        match action.verb:
            case "click" | "hover" | "type":
                await self._touch(action, element)
            case "press":
                await page.keyboard.press(action.text.replace("Meta", "Control"))
            case "scroll":
                sign = "-" if action.text == "up" else ""
                await self._watches[page].send("Runtime.evaluate", expression=_SCROLL.format(sign=sign))
            case "goto":
                await self._open(action.text)
            case "new_tab":
                await self._new_tab()
            case "tab_focus":
                await self._focus(int(action.text))
            case "close_tab":
                await self._close_tab()
            case "go_back":
                await page.go_back(timeout=1000 * self._limits.action)
            case "go_forward":
                await page.go_forward(timeout=1000 * self._limits.action)
        await self._settle()

    async def _touch(self, action: Action, element: Element | None) -> None:
        if element is None:
            raise PageFailed("no such element")
        if action.verb == "hover":
            await self._page.mouse.move(element.x, element.y)
            return
        await self._page.mouse.click(element.x, element.y)
        if action.verb == "type":
            await self._page.keyboard.type(action.text)
            if action.enter:
                await self._page.keyboard.press("Enter")

    async def _settle(self) -> None:
        """Wait for what the action set off, but not for ever: a page may load without end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._watches[self._page].quiet(), self._limits.action / 2)
        if self._limits.settle:
            await asyncio.sleep(self._limits.settle)

    async def _log_in(self, url: str, user: str, password: str) -> bool:
        await self._open(url)
        form = self._page.locator("form:has(input[type=password])").first
        if not await form.count():
            raise PageFailed("it asks for no password")
        fields = "input:not([type]), input[type=text], input[type=email]"
        await form.locator(fields).first.fill(user)
        await form.locator("input[type=password]").first.fill(password)
        await form.locator("input[type=password]").first.press("Enter")
        await self._settle()
        return not await self._page.locator("input[type=password]").count()


class Chromium:
    """The browser's process and the loop that drives it.

    Attributes:
        version: of the browser.
    """

    def __init__(self, executable: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._left: set[Any] = set()
        threading.Thread(target=self._loop.run_forever, name="browser", daemon=True).start()
        self._browser: Any = None
        self._playwright: Any = None
        self.wait(self._launch(executable), _START)
        self.version = f"Chromium {self._browser.version}"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._browser is not None and self._browser.is_connected()

    def wait(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        """What a coroutine gives, run on the browser's loop.

        Raises:
            PageFailed: it takes longer, or the page cannot do it.
            BrowserDied: the browser ended.
        """
        from playwright.async_api import Error

        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, seconds), self._loop)
        try:
            return future.result(seconds + _GRACE)
        except TimeoutError:
            future.cancel()
            reason = "no answer in time"
        except Error as error:
            reason = _reason(error)
        if self._browser is not None and not self.alive:
            raise BrowserDied("the browser ended")
        raise PageFailed(reason)

    def forget(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Let a coroutine end some time; called on the loop."""
        task = self._loop.create_task(coroutine)
        self._left.add(task)
        task.add_done_callback(lambda done: (self._left.discard(done), done.cancelled() or done.exception()))

    async def open(self, gate: Gate, storage: dict[str, Any] | None) -> Any:
        """A context whose traffic goes through the gate."""
        return await self._browser.new_context(
            viewport=VIEWPORT,
            device_scale_factor=1,
            locale="en-US",
            timezone_id="UTC",
            proxy={"server": await gate.open(), "bypass": "<-loopback>"},
            storage_state=storage,
            accept_downloads=False,
            service_workers="block",
        )

    def kill(self) -> None:
        """End the process."""
        with contextlib.suppress(BrowserDied, PageFailed):
            self.wait(self._close(), 10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _launch(self, executable: str) -> None:
        from playwright.async_api import async_playwright

        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=executable or None,
            args=_ARGUMENTS,
            proxy=_NOWHERE,
            chromium_sandbox=os.geteuid() != 0,
            timeout=1000 * _START,
            env={name: os.environ[name] for name in ("HOME", "PATH", "LANG", "TMPDIR") if name in os.environ},
        )

    async def _close(self) -> None:
        if self._browser:
            await self._browser.close()
        if self._playwright:
            await self._playwright.stop()


class _Watch:
    """A page's own line to the browser, which knows whether the page is loading something."""

    def __init__(self, page: Any, session: Any) -> None:
        self._page, self._session = page, session
        self._loading: set[str] = set()
        self._idle, self._shown = asyncio.Event(), asyncio.Event()  # nothing is loading; no window is to come
        self._idle.set()
        self._shown.set()
        session.on("Page.windowOpen", lambda row: self._shown.clear())
        page.on("popup", lambda popup: self._shown.set())
        for event in ("Page.frameRequestedNavigation", "Page.frameStartedLoading"):
            session.on(event, lambda row: self._note(row["frameId"], True))
        for event in ("Page.frameStoppedLoading", "Page.navigatedWithinDocument", "Page.frameDetached"):
            session.on(event, lambda row: self._note(row["frameId"], False))

    @staticmethod
    async def of(page: Any, context: Any) -> _Watch:
        """The watch of a page."""
        watch = _Watch(page, await context.new_cdp_session(page))
        await watch.send("Page.enable")
        return watch

    async def send(self, method: str, **parameters: Any) -> Any:
        """What the browser answers to a call of its debugging protocol."""
        return await self._session.send(method, parameters)

    async def quiet(self) -> None:
        """Wait until the page has acted on its input, windows that it opens are there, and nothing is loading."""
        from playwright.async_api import Error

        with contextlib.suppress(Error):  # a page that is left meanwhile cannot answer
            await self.send("Runtime.evaluate", expression=_LET_IT_ACT, awaitPromise=True)
        with contextlib.suppress(TimeoutError):  # one that the browser blocks never comes
            await asyncio.wait_for(self._shown.wait(), _WINDOW)
        self._shown.set()
        await self._idle.wait()
        await self._page.wait_for_load_state("load")

    def _note(self, frame: str, loads: bool) -> None:
        (self._loading.add if loads else self._loading.discard)(frame)
        (self._idle.clear if self._loading else self._idle.set)()


@contextmanager
def visit(
    executable: str, allowed: Collection[Address], limits: Limits, storage: dict[str, Any] | None = None
) -> Iterator[Visit]:
    """A window with one empty tab; closed at the end.

    Args:
        executable: path of the browser; "" for the system's, or else Playwright's.
        allowed: all addresses that its pages may reach.
        limits: of each step.
        storage: cookies and storage to begin with.

    Raises:
        NotAvailable: Playwright or a Chromium is missing.
        BrowserDied: the browser does not start, or ended.
    """
    chromium, gate = shared(executable), Gate(allowed)
    try:
        context = chromium.wait(chromium.open(gate, storage), limits.action)
    except PageFailed as failure:
        raise BrowserDied(f"no window: {failure}") from None
    try:
        window = Visit(chromium, context, limits, gate)
        window._do(window._new_tab())
        yield window
    finally:
        with contextlib.suppress(BrowserDied, PageFailed):
            chromium.wait(context.close(), limits.action)
        with contextlib.suppress(BrowserDied, PageFailed):
            chromium.wait(gate.close(), limits.action)


_running: dict[str, Chromium] = {}
_lock = threading.Lock()


def shared(executable: str = "") -> Chromium:
    """The browser that all windows share; a new one where the last one ended.

    Raises:
        NotAvailable: Playwright or a Chromium is missing.
        BrowserDied: it does not start.
    """
    path = find_chromium(executable)
    with _lock:
        if path not in _running or not _running[path].alive:
            if path in _running:
                _running.pop(path).kill()
            try:
                _running[path] = Chromium(path)
            except PageFailed as failure:
                raise BrowserDied(f"the browser does not start: {failure}") from None
        return _running[path]


def find_chromium(executable: str = "") -> str:
    """Path of the browser: the one given, the system's, or "" for Playwright's own.

    Raises:
        NotAvailable: Playwright or a Chromium is missing; the sentence says what to install.
    """
    try:
        import playwright
    except ImportError:
        raise NotAvailable(
            "a browser is driven by the package playwright, which is not installed: "
            "install the optional group webarena (pip install -e '.[webarena]')"
        ) from None
    if executable:
        if not shutil.which(executable):
            raise NotAvailable(f"there is no browser at {executable}")
        return executable
    found = next(filter(None, map(shutil.which, _SYSTEM_NAMES)), None)
    if found:
        return found
    home = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    if any(home.glob("chromium*")):
        return ""
    raise NotAvailable(
        f"playwright {playwright.__version__} is here, but no Chromium: install the system's "
        "(chromium-headless-shell), or Playwright's (playwright install chromium)"
    )


def close_all() -> None:
    """End the browsers."""
    with _lock:
        while _running:
            _running.popitem()[1].kill()


atexit.register(close_all)


async def _title(page: Any) -> str:
    """A tab's title; "" if it does not answer."""
    from playwright.async_api import Error

    try:
        return await asyncio.wait_for(page.title(), 2)
    except (TimeoutError, Error):
        return ""


def _reason(error: Exception) -> str:
    """What a page could not do, without addresses: they differ from run to run."""
    text = str(error)
    if "Timeout" in text:
        return "no answer in time"
    found = re.search(r"net::\w+", text) or re.search(r"Unknown key", text)
    return found[0] if found else type(error).__name__
