"""The browser's only way out: what it lets through, what it refuses, and what it does with broken requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentflan.benchmarks._gate import Gate, address_of

Ask = Callable[..., Awaitable[bytes]]


def run(scene: Callable[[Gate, Ask, int, list[bytes]], Awaitable[None]]) -> None:
    """Play a scene with a gate to one server, which keeps what it is sent and answers "seen"."""

    async def play() -> None:
        heard: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nseen")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gate = Gate([("127.0.0.1", port)])
        _, place = address_of(await gate.open())

        async def ask(*parts: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", place)
            for part in parts:
                writer.write(part)
                await writer.drain()
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 5)

        await scene(gate, ask, port, heard)
        await gate.close()
        server.close()

    asyncio.run(play())


def test_an_allowed_address_is_reached_as_if_directly() -> None:
    async def scene(gate: Gate, ask: Ask, port: int, heard: list[bytes]) -> None:
        fields = b"Host: x\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\n"
        answer = await ask(b"GET http://127.0.0.1:%d/a?b=c HTTP/1.1\r\n%s\r\n" % (port, fields))

        assert answer.endswith(b"\r\n\r\nseen")
        assert heard == [b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
        assert gate.refused == []

    run(scene)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{other}/",
        "http://localhost:{port}/",  # another name of the same host was not allowed
        "http://example.com/",
        "http://127.0.0.1:{port}@example.com/",
        "http://[::1]:{port}/",
        "http://2130706433:{port}/",
    ],
)
def test_every_other_address_is_refused(target: str) -> None:
    async def scene(gate: Gate, ask: Ask, port: int, heard: list[bytes]) -> None:
        address = target.format(port=port, other=port + 1)
        answer = await ask(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())

        assert answer.startswith(b"HTTP/1.1 403 ")
        assert gate.refused == [address]
        assert heard == []

    run(scene)


def test_a_tunnel_is_for_allowed_addresses_too() -> None:
    async def scene(gate: Gate, ask: Ask, port: int, heard: list[bytes]) -> None:
        assert (await ask(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
        through = await ask(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port, b"GET / HTTP/1.1\r\n\r\n")

        assert through.startswith(b"HTTP/1.1 200 Connection established") and through.endswith(b"seen")
        assert gate.refused == ["example.com:443"]

    run(scene)


@pytest.mark.parametrize(
    "head", [b"", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET http:// HTTP/1.1\r\n\r\n", b"x" * 100_000]
)
def test_a_broken_request_ends_and_the_gate_stays_open(head: bytes) -> None:
    async def scene(gate: Gate, ask: Ask, port: int, heard: list[bytes]) -> None:
        with contextlib.suppress(ConnectionError):  # it is hung up on before all of it is sent
            assert b"200" not in await ask(head)
        assert heard == []
        assert b"seen" in await ask(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n" % port)

    run(scene)


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://a", ("a", 80)), ("https://a/b", ("a", 443)), ("wss://a:9/", ("a", 9)), ("//a:443", ("a", 443))],
)
def test_an_address_is_a_host_and_a_port(url: str, address: Any) -> None:
    assert address_of(url) == address
