"""A checkpoint folder, run here by vLLM on GPUs: greedy, batched by its engine, with its prefix cache.

Prompts are made of tokens by our own chat template, as for every other backend; the engine sees token ids only. What
the model wrote in earlier turns is repeated token by token, so that the engine need not read a conversation twice. Its
sums are not those of transformers: `agentflan compare_backends` tells how often the replies agree.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from agentflan.backends import Call, Reply
from agentflan.backends._chat_tokens import ChatTokens
from agentflan.backends._checkpoint import load_tokenizer
from agentflan.backends._history import History
from agentflan.benchmarks._protocol import Request
from agentflan.errors import FileError, NotAvailable
from agentflan.randomness import unit

if TYPE_CHECKING:
    from agentflan.backends._likelihood import Text

NAME = "vllm"


def start(model: str, benchmark: ModuleType, settings: dict[str, Any]) -> Callable[[list[Call]], list[Reply]]:
    """An agent that runs the checkpoint folder `model`.

    Raises:
        FileError: there is no such folder.
        NotAvailable: vllm is not installed, or there is no GPU.
    """
    if not (Path(model) / "config.json").exists():
        raise FileError(model, "no config.json", "the folder of a checkpoint")
    served = VllmModel(Path(model))
    return lambda calls: served.generate([call.request for call in calls])


class VllmModel(ChatTokens):
    """Weights in vLLM's engine, bf16 as the local backend has them on GPUs; the tokenizer here.

    Args:
        folder: a checkpoint in the Hugging Face layout, with a chat template.

    Raises:
        NotAvailable: vllm is not installed, or there is no GPU.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch
            from transformers import AutoConfig, GenerationConfig
            from vllm import LLM, SamplingParams
        except ImportError as error:
            missing = error.name or "vllm"
            raise NotAvailable(f"the vllm backend needs the package {missing}, which is not installed") from None
        gpus = torch.cuda.device_count()
        if not gpus:
            raise NotAvailable("the vllm backend needs a GPU; the local backend runs on a CPU, too")
        config = AutoConfig.from_pretrained(folder)
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
        super().__init__(load_tokenizer(folder), ends if isinstance(ends, list) else [ends])
        self.context = config.max_position_embeddings
        self._history, self._parameters = History(self), SamplingParams
        self._engine = LLM(
            model=str(folder),
            dtype="bfloat16",
            max_model_len=self.context,
            tensor_parallel_size=_parts(config.num_attention_heads, gpus),
            enable_prefix_caching=True,
            seed=0,
        )

    def generate(self, requests: list[Request]) -> list[Reply]:
        """One reply a request, in order; see `LocalModel` for choices and for what does not fit the context."""
        choices = [self._one_token_choices(request) for request in requests]
        pairs = list(zip(requests, choices, strict=True))
        chosen = iter(self._choose([(request, texts) for request, texts in pairs if texts]))
        written = iter(self._write([request for request, texts in pairs if not texts]))
        return [next(chosen if texts else written) for texts in choices]

    def _one_token_choices(self, request: Request) -> list[Text]:
        """The choices of a request as tokens, if they differ in their last one alone; others are replied to freely."""
        from agentflan.backends._likelihood import split

        choices = self.encode_choices(request) if request.choices else []
        texts = split(choices, self.context - 1, request.max_prompt_tokens) if choices else []
        return texts if all(len(text.tokens) == text.begin + 1 for text in texts) else []

    def _choose(self, pairs: list[tuple[Request, list[Text]]]) -> list[Reply]:
        """The likeliest choice of each request: the engine may write one of their last tokens and no other."""
        lasts = [[text.tokens[-1] for text in texts] for _, texts in pairs]
        outputs = self._engine.generate(
            [{"prompt_token_ids": texts[0].tokens[:-1]} for _, texts in pairs],
            [self._parameters(temperature=0.0, max_tokens=1, allowed_token_ids=tokens) for tokens in lasts],
            use_tqdm=False,
        )
        places = [tokens.index(output.outputs[0].token_ids[0]) for tokens, output in zip(lasts, outputs, strict=True)]
        return [
            Reply(request.choices[place], texts[place].begin, 1)
            for (request, texts), place in zip(pairs, places, strict=True)
        ]

    def _write(self, requests: list[Request]) -> list[Reply]:
        """A free reply to each request."""
        whole = [self._history.encode(request) for request in requests]
        prompts = [self.cut(tokens, request, self.context) for tokens, request in zip(whole, requests, strict=True)]
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) < self.context]
        outputs = self._engine.generate(
            [{"prompt_token_ids": prompts[place]} for place in fitting],
            [self._sampling(requests[place], prompts[place]) for place in fitting],
            use_tqdm=False,
        )
        written = {place: output.outputs[0] for place, output in zip(fitting, outputs, strict=True)}
        return [
            self._reply(request, prompt, len(tokens) - len(prompt), written.get(place))
            for place, (request, tokens, prompt) in enumerate(zip(requests, whole, prompts, strict=True))
        ]

    def _sampling(self, request: Request, prompt: list[int]) -> Any:
        """Greedy if not told otherwise, up to an end sign, a stop string, the limit or the end of the context."""
        drawn = request.sampling
        return self._parameters(
            temperature=drawn.temperature if drawn else 0.0,
            top_p=drawn.top_p if drawn else 1.0,
            seed=int(unit("sample", drawn.seed) * 2**31) if drawn else None,
            max_tokens=min(request.max_new_tokens, self.context - len(prompt)),
            stop=list(self.stops(request)) or None,
            stop_token_ids=sorted(self.end_ids),
        )

    def _reply(self, request: Request, prompt: list[int], cut: int, output: Any) -> Reply:
        if output is None:
            return Reply(prompt_tokens=len(prompt), fault="context_limit")
        tokens = list(output.token_ids)
        ended = next((place for place, token in enumerate(tokens) if token in self.end_ids), len(tokens))
        text = self.finish(tokens[:ended], request)
        self._history.keep(request, prompt, tokens[:ended], text)
        cut_off = output.finish_reason == "length" and len(tokens) < request.max_new_tokens
        return Reply(text, len(prompt), ended, "context_limit" if cut_off else "", cut)


def _parts(heads: int, gpus: int) -> int:
    """The most GPUs that share the attention heads evenly."""
    return max(count for count in range(1, gpus + 1) if heads % count == 0)
