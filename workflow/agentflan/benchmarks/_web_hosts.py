"""Where the sites of a browser benchmark are, what they are called in prompts and transcripts, and who logs in.

Agents read and write the names under which the sites are known to the world (upstream's choice), never the addresses of
the hosts, so that a transcript does not depend on where the sites are.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from agentflan.benchmarks._gate import Address, address_of
from agentflan.errors import NotAvailable

PUBLIC = {
    "reddit": "http://reddit.com",
    "shopping": "http://onestopmarket.com",
    "shopping_admin": "http://luma.com/admin",
    "gitlab": "http://gitlab.com",
    "wikipedia": "http://wikipedia.org",
    "map": "http://openstreetmap.org",
    "homepage": "http://homepage.com",
}
LOGIN_PATHS = {
    "shopping": "/customer/account/login/",
    "shopping_admin": "",
    "reddit": "/login",
    "gitlab": "/users/sign_in",
}
_PATIENCE = 10  # seconds for a site to show that it is there
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Account = tuple[str, str]  # user, password


@dataclass(frozen=True)
class Hosts:
    """The sites that are there.

    Attributes:
        real: site → its address, without a slash at the end.
        accounts: site → the account to log in with; never shown.
    """

    real: Mapping[str, str]
    accounts: Mapping[str, Account] = field(default_factory=dict, repr=False)

    @cached_property
    def allowed(self) -> frozenset[Address]:
        """The only addresses that the browser may reach."""
        return frozenset(map(address_of, self.real.values()))

    def to_public(self, text: str) -> str:
        """A text with the sites' known names for their addresses."""
        return self._translate_out(text)

    def to_real(self, text: str) -> str:
        """A text with the sites' addresses for their known names."""
        return self._translate_in(text)

    @cached_property
    def _translate_out(self) -> Callable[[str], str]:
        return _translation({url: PUBLIC[site] for site, url in self.real.items()})

    @cached_property
    def _translate_in(self) -> Callable[[str], str]:
        return _translation({PUBLIC[site]: url for site, url in self.real.items()})


def fill_public(text: str) -> str:
    """A text of a task with the sites' known names for its placeholders."""
    for site, name in PUBLIC.items():
        text = text.replace(f"__{site.upper()}__", name)
    return text


def account_variables(site: str) -> tuple[str, str]:
    """The environment variables that hold user and password for a site."""
    return f"WEBARENA_{site.upper()}_USER", f"WEBARENA_{site.upper()}_PASSWORD"


def configured(real: Mapping[str, str], sites: Iterable[str], log_in: Iterable[str]) -> Hosts:
    """The hosts of the configuration, all of them answering, with accounts from the environment.

    Args:
        real: site → address, as configured.
        sites: those that the tasks need.
        log_in: those where an account is needed.

    Raises:
        NotAvailable: an address or an account is missing, or a site does not answer; all of them are named.
    """
    missing = sorted(site for site in set(sites) if not real.get(site))
    if missing:
        raise NotAvailable(f"WebArena's sites are not here: no address for {', '.join(missing)} (settings key hosts)")
    names = {site: account_variables(site) for site in sorted(log_in)}
    unset = [name for pair in names.values() for name in pair if not os.environ.get(name)]
    if unset:
        raise NotAvailable(f"accounts for WebArena's sites are not set: {', '.join(unset)}")
    accounts = {site: (os.environ[user], os.environ[password]) for site, (user, password) in names.items()}
    hosts = Hosts({site: url.rstrip("/") for site, url in real.items() if url}, accounts)
    silent = {site: problem for site in sorted(set(sites)) if (problem := health_problem(hosts.real[site]))}
    if silent:
        raise NotAvailable(f"WebArena's sites do not answer: {'; '.join(map(': '.join, silent.items()))}")
    return hosts


def health_problem(url: str) -> str:
    """Why a site cannot be used; "" if it can."""
    try:
        with _DIRECT.open(url, timeout=_PATIENCE):
            return ""
    except urllib.error.HTTPError as error:
        return f"status {error.code}" if error.code >= 500 else ""
    except (OSError, ValueError) as error:
        return type(error).__name__


def _translation(names: Mapping[str, str]) -> Callable[[str], str]:
    """Replaces whole addresses, the longest first: one may be the beginning of another."""
    if not names:
        return lambda text: text
    pattern = re.compile("|".join(rf"{re.escape(name)}(?![\w.:-])" for name in sorted(names, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda match: names[match[0]], text)
