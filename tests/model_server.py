"""A real HTTP server that serves a tiny model in OpenAI's format, and goes wrong as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from answering import AnsweringHandler

from agentflan.backends.transformers_local import LocalModel
from agentflan.benchmarks._protocol import Request

Fault = dict[str, Any]  # "status" (with "headers", "error"), or one of "slow", "cut", "page", "broken", "silent"
Faults = Callable[[str, int], Fault | None]


class ModelServer(ThreadingHTTPServer):
    """Answers /v1/chat/completions and /v1/completions.

    Attributes:
        asked: the bodies of all requests that were answered well.
        faults: what goes wrong, by the last text that is sent and the number of the try, from 1.
    """

    daemon_threads = True

    def __init__(self, model: LocalModel) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.lock = model, threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.tries: dict[str, int] = {}
        self.times: dict[str, list[float]] = {}
        self.faults: Faults = lambda text, attempt: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up is part of the tests."""

    def fault(self, text: str) -> Fault:
        with self.lock:
            self.tries[text] = self.tries.get(text, 0) + 1
            self.times.setdefault(text, []).append(time.monotonic())
            return self.faults(text, self.tries[text]) or {}


@contextmanager
def serve(model: LocalModel) -> Iterator[ModelServer]:
    """The server, running on a port of its own."""
    with ModelServer(model) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(AnsweringHandler):
    server: ModelServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.server.fault(body["prompt"] if "prompt" in body else body["messages"][-1]["content"])
        if "slow" in fault:
            time.sleep(fault["slow"])
        if "status" in fault:  # as careless servers do, it repeats what it was sent
            error = {
                "message": f"{fault.get('error', 'no')}: {self.headers['Authorization']}",
                "code": fault.get("code"),
            }
            return self.send(fault["status"], json.dumps({"error": error}), fault.get("headers", {}))
        if "page" in fault:
            return self.send(200, "<html>the proxy is tired</html>", {"Content-Type": "text/html"})
        text = json.dumps(self._answer(body, fault))
        return self.send(200, text[: len(text) // 2] if "broken" in fault else text, cut="cut" in fault)

    def _answer(self, body: dict[str, Any], fault: Fault) -> dict[str, Any]:
        chat = "messages" in body
        turns = tuple((turn["role"], turn["content"]) for turn in body["messages"]) if chat else ()
        request = Request(
            turns, body.get("prompt", ""), stop=tuple(body.get("stop", ())), max_new_tokens=body["max_tokens"]
        )
        with self.server.lock:  # the model is not made for threads
            reply = self.server.model.generate([request])[0]
            self.server.asked.append(body)
        text = fault.get("text", str(reply)).replace("$KEY", self.headers["Authorization"].removeprefix("Bearer "))
        choice = {"index": 0, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text, "logprobs": None}
        usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.reply_tokens, "total_tokens": 0}
        kind = "chat.completion" if chat else "text_completion"
        answer = {"id": "1", "object": kind, "created": 0, "model": body["model"], "choices": [choice]}
        return answer if "silent" in fault else answer | {"usage": usage}
