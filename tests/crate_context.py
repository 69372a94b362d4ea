"""What the validator of crates would fetch from the internet: the RO-Crate 1.1 context (CC0), given to its cache."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = Path(__file__).parent / "data" / "ro_crate_1.1_context.json.gz"
URL = "https://w3id.org/ro/crate/1.1/context"


class _Shelf(BaseAdapter):
    """Answers every request with the context; no network is used."""

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        body = io.BytesIO(gzip.decompress(CONTEXT.read_bytes()))
        headers = {"Content-Type": "application/ld+json"}
        answer = HTTPResponse(body=body, headers=headers, status=200, preload_content=False)
        return HTTPAdapter().build_response(request, answer)

    def close(self) -> None:
        pass


def fill_cache(path: Path) -> None:
    """Put the context in a cache of `requests_cache`; ``.sqlite`` is added to the path."""
    with CachedSession(str(path), expire_after=-1) as session:
        session.mount(URL, _Shelf())
        assert session.get(URL).ok
