"""Logging in to sites once, and beginning each episode with what they remember."""

from __future__ import annotations

import threading
from typing import Any

from agentflan.benchmarks._browser import Limits, PageFailed, visit
from agentflan.benchmarks._web_hosts import LOGIN_PATHS, Hosts
from agentflan.errors import NotAvailable

_kept: dict[tuple[Any, ...], dict[str, Any]] = {}
_lock = threading.Lock()


def logged_in(hosts: Hosts, sites: tuple[str, ...], executable: str, limits: Limits) -> dict[str, Any] | None:
    """Cookies and storage of a window that is logged in to the sites; None without sites.

    Any page with one form that asks for a password will do: the form is filled in, and the next page must ask no more.

    Raises:
        NotAvailable: a site has no such page, or does not take the account; the account is not shown.
    """
    if not sites:
        return None
    key = (tuple(sorted(hosts.real.items())), sites)
    with _lock:
        if key not in _kept:
            with visit(executable, hosts.allowed, limits) as window:
                for site in sites:
                    _log_in(window, hosts, site)
                _kept[key] = window.cookies()
        return _kept[key]


def _log_in(window: Any, hosts: Hosts, site: str) -> None:
    try:
        accepted = window.log_in(hosts.real[site] + LOGIN_PATHS[site], *hosts.accounts[site])
    except PageFailed as failure:
        raise NotAvailable(f"no login to {site}: its page of login does not work ({failure})") from None
    if not accepted:
        raise NotAvailable(f"no login to {site}: it does not take the account")
