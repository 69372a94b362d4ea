"""The only way out of the browser: a proxy on the loopback that lets through the addresses it was told and no others.

Every request of a page passes here, also those that interception inside the browser does not see: redirects, sockets,
workers, windows that a page opens. What is not let through is answered 403 and remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from urllib.parse import urlsplit

_LONGEST_HEAD = 64 * 1024  # bytes
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Address = tuple[str, int]  # host, port


def address_of(url: str) -> Address:
    """Host and port of an address.

    Raises:
        ValueError: it has no host, or a port that is no number.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"no host in {url!r}")
    return parts.hostname, parts.port or _PORTS.get(parts.scheme, 80)


class Gate:
    """A proxy that lets through some addresses.

    Attributes:
        refused: what was asked for and is not let through, in order.
    """

    def __init__(self, allowed: Collection[Address]) -> None:
        self.refused: list[str] = []
        self._allowed = frozenset(allowed)
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Begin to listen; returns the proxy's address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LONGEST_HEAD)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """End listening."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            await self._pass_on(reader, writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        tunnel = method == "CONNECT"
        address = address_of(f"//{target}" if tunnel else target)
        if address not in self._allowed:
            self.refused.append(target)
            writer.write(_REFUSAL)
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection(*address)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far_writer.write(_as_origin(head, target))
            await _both_ways(reader, writer, far_reader, far_writer)
        finally:
            far_writer.close()


def _as_origin(head: bytes, target: str) -> bytes:
    """The head of a request as the server itself expects it: only the path, and one request a connection."""
    first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    method, _, version = first.split(b" ", 2)
    upgrade = any(field.lower().startswith(b"upgrade:") for field in fields)
    kept = [
        field for field in fields if not field.lower().startswith((b"proxy-", b"connection:" if not upgrade else b"\0"))
    ]
    closing = [] if upgrade else [b"Connection: close"]
    return b"\r\n".join([b" ".join((method, path.encode("latin-1"), version)), *kept, *closing]) + b"\r\n\r\n"


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Pass bytes in both directions until the server has said all."""
    upward = asyncio.create_task(_pour(reader, far_writer))
    try:
        await _pour(far_reader, writer)
    finally:
        upward.cancel()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
