"""Where the sites are: names for addresses, accounts from the environment, and whether each site answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from agentflan.benchmarks._web_hosts import Hosts, configured, fill_public, health_problem
from agentflan.errors import NotAvailable

HOSTS = Hosts({"reddit": "http://10.0.0.1:80", "shopping": "http://10.0.0.1:8080", "map": "http://maps.test:3000"})


@contextmanager
def site(status: int) -> Iterator[str]:
    """A site that answers with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_texts_hold_names_and_never_addresses() -> None:
    text = "see http://10.0.0.1:8080/pot, http://10.0.0.1:80 and http://maps.test:3000/#1"
    public = "see http://onestopmarket.com/pot, http://reddit.com and http://openstreetmap.org/#1"

    assert HOSTS.to_public(text) == public
    assert HOSTS.to_real(public) == text
    assert "10.0.0.1" not in HOSTS.to_public("http://10.0.0.1:8080")


def test_an_address_that_only_begins_alike_is_another() -> None:
    assert HOSTS.to_public("http://10.0.0.1:80801/") == "http://10.0.0.1:80801/"
    assert HOSTS.to_real("http://reddit.com.evil.test/") == "http://reddit.com.evil.test/"


def test_placeholders_of_tasks_are_filled() -> None:
    assert (
        fill_public("__SHOPPING_ADMIN__/x |AND| __SHOPPING__")
        == "http://luma.com/admin/x |AND| http://onestopmarket.com"
    )


def test_every_missing_address_is_named() -> None:
    with pytest.raises(NotAvailable, match="no address for map, wikipedia"):
        configured({"reddit": "http://127.0.0.1:9", "map": ""}, ["reddit", "wikipedia", "map"], [])


def test_every_missing_account_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBARENA_REDDIT_USER", "anna")
    monkeypatch.delenv("WEBARENA_REDDIT_PASSWORD", raising=False)

    with pytest.raises(NotAvailable, match="not set: WEBARENA_REDDIT_PASSWORD"):
        configured({"reddit": "http://127.0.0.1:9"}, ["reddit"], ["reddit"])


def test_sites_that_do_not_answer_are_named() -> None:
    with site(503) as broken, site(200) as well, pytest.raises(NotAvailable) as caught:
        configured({"reddit": broken, "map": "http://127.0.0.1:9", "shopping": well}, ["reddit", "map", "shopping"], [])
    assert "map: URLError; reddit: status 503" in str(caught.value)


@pytest.mark.parametrize(("status", "problem"), [(200, ""), (404, ""), (500, "status 500"), (503, "status 503")])
def test_a_site_is_healthy_unless_it_breaks(status: int, problem: str) -> None:
    with site(status) as url:
        assert health_problem(url) == problem


def test_accounts_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBARENA_REDDIT_USER", "anna")
    monkeypatch.setenv("WEBARENA_REDDIT_PASSWORD", "canary")
    with site(200) as url:
        hosts = configured({"reddit": f"{url}/"}, ["reddit"], ["reddit"])

    assert hosts.real == {"reddit": url}
    assert hosts.accounts["reddit"] == ("anna", "canary")
    assert "canary" not in repr(hosts)
