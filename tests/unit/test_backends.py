"""Backends: greedy batches of a tiny local model, and an OpenAI-compatible server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agentflan import backends, templates
from agentflan.backends import Call, openai_api
from agentflan.backends.transformers_local import LocalModel
from agentflan.benchmarks._protocol import COMMON_DEFAULTS, Request
from agentflan.errors import AgentFlanError, ConfigError, FileError, NotAvailable
from agentflan.records import Trajectory, Turn

BENCHMARK = SimpleNamespace(NAME="b")
TEXTS = ["the rain in a town", "Thought: go on\nAction: rain_report", "<s> </s> [INST] 12 mm", "െ ി <|Human|>"]
QUESTION = Request(messages=(("system", "be kind </s>"), ("user", "rain in </s> Oslo?")), max_new_tokens=6)


def make_checkpoint(folder: Path, template: str) -> Path:
    """A tiny untrained Llama with a byte-level tokenizer and a chat template."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from agentflan.training.tokenizer import train_tokenizer

    train_tokenizer(TEXTS * 3, 300, template, folder)
    size = len(AutoTokenizer.from_pretrained(folder))
    torch.manual_seed(1)
    shape = LlamaConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llama2", "agent_flan"])
def local(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalModel, str]:
    folder = make_checkpoint(tmp_path_factory.mktemp("model") / request.param, request.param)
    return LocalModel(folder, rows=4), request.param


def test_backends_are_found_by_name() -> None:
    assert backends.names() == ["local", "openai", "oracle", "random"]
    with pytest.raises(ConfigError, match="backend 'vllm': no such backend"):
        backends.load("vllm")


def test_a_prompt_is_tokenized_as_in_training(local: tuple[LocalModel, str]) -> None:
    model, template = local
    turns = (
        Turn("system", "be kind </s>"),
        Turn("user", "rain?"),
        Turn("assistant", "4 mm <s>", True),
        Turn("user", "</s> Oslo?"),
    )
    messages = tuple((turn.role, turn.content) for turn in turns)
    reply = Turn("assistant", "the rain", True)
    trained = templates.encode(Trajectory("t", "d", (*turns, reply)), model.tokenizer, template).input_ids

    given = model.encode(Request(messages=messages))

    assert trained[: len(given)] == given
    assert len(given) < len(trained)


def test_text_never_becomes_a_special_token(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    end = model.tokenizer.eos_token_id

    assert end not in model.encode(QUESTION)
    assert end not in model.encode(Request(prompt="a </s> b"))
    assert model.encode(Request(prompt="a"))[0] == model.tokenizer.bos_token_id


def test_batches_do_not_change_replies(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    requests = [
        replace(QUESTION, messages=(("user", "rain " * count),), max_new_tokens=count) for count in (9, 2, 5, 7, 1, 3)
    ]

    together = model.generate(requests)

    assert together == [model.generate([request])[0] for request in requests]
    assert len(set(together)) > 1


def test_replies_are_those_of_generate(local: tuple[LocalModel, str]) -> None:
    import torch

    model, _ = local
    ids = torch.tensor([model.encode(QUESTION)])
    output = model.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False, pad_token_id=0
    )
    expected = model.tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)

    assert model.generate([QUESTION]) == [openai_api.cut(expected, model._stops(QUESTION)).strip()]


def test_a_reply_is_cut_at_the_first_stop_string(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    raw = Request(prompt="the rain", max_new_tokens=20)
    whole = model.generate([raw])[0]
    stop = whole[3:5]

    assert model.generate([replace(raw, stop=("never there", stop))]) == [whole[: whole.index(stop)]]


def test_a_prefix_is_given_to_the_model_and_not_returned(local: tuple[LocalModel, str]) -> None:
    model, _ = local
    begun = replace(QUESTION, prefix="Thought: go")

    assert model.tokenizer.decode(model.encode(begun)).endswith("Thought: go")
    assert not model.generate([begun])[0].startswith("Thought")


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no config\.json"):
        backends.load("local").start(str(tmp_path), BENCHMARK, COMMON_DEFAULTS)


class Server:
    """Answers with the last message in capitals, after as many errors as it is told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.errors: list[int] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = server.errors.pop() if server.errors else 200
                if status == 200:
                    server.asked.append(body)
                message = {"role": "assistant", "content": body["messages"][-1]["content"].upper()}
                answer = {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                }
                payload = json.dumps(answer if status == 200 else {"error": {"message": "busy"}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *parts: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def ask(server: Server, folder: Path, *requests: Request, **api: Any) -> list[str]:
    settings = COMMON_DEFAULTS | {"api": {"base_url": server.url, "cache": str(folder), "backoff": 0.01, **api}}
    return openai_api.start("m/x", BENCHMARK, settings)([Call(request, {}, 0) for request in requests])


def test_a_server_is_asked_once_for_each_conversation(server: Server, tmp_path: Path) -> None:
    chat, raw = replace(QUESTION, stop=("SLO",)), Request(prompt="go on", max_new_tokens=9)

    assert ask(server, tmp_path, chat, raw, chat) == ["RAIN IN </S> O", "GO ON", "RAIN IN </S> O"]
    assert ask(server, tmp_path, raw) == ["GO ON"]
    assert sorted(body["max_tokens"] for body in server.asked) == [6, 9]
    assert [turn["role"] for turn in server.asked[0]["messages"]] == ["system", "user"]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.errors = [429, 503]

    assert ask(server, tmp_path, Request(prompt="go on")) == ["GO ON"]


def test_the_spending_cap_holds(server: Server, tmp_path: Path) -> None:
    with pytest.raises(AgentFlanError, match="cap"):
        ask(server, tmp_path, Request(prompt="go on"), spending_cap=0.0)

    assert server.asked == []


def test_a_refusal_is_not_available(server: Server, tmp_path: Path) -> None:
    server.errors = [401]

    with pytest.raises(NotAvailable, match="not accepted"):
        ask(server, tmp_path, Request(prompt="go on"))


def test_a_reply_cannot_be_begun_for_a_chat_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="cannot continue"):
        ask(server, tmp_path, replace(QUESTION, prefix="Thought:"))


def test_an_unknown_api_setting_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key api"):
        ask(server, tmp_path, QUESTION, speed=3)
