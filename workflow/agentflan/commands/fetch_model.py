"""Fetch the public weights of a base model by pinned revision: safetensors, tokenizer and configuration, no pickles."""

from __future__ import annotations

import argparse
import shutil

from agentflan.arguments import OutputPath
from agentflan.errors import FileError, NotAvailable

WANTED = ["*.json", "*.safetensors", "tokenizer.model", "*.jinja", "LICENSE*", "USE_POLICY*"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("--hub", required=True, help="hub id, owner/name")
    parser.add_argument("--revision", required=True, help="full commit of the hub repository")
    parser.add_argument("--out", type=OutputPath, required=True, help="the model's folder")


def run(arguments: argparse.Namespace) -> str:
    """Download into a partial folder, then give it its name.

    Raises:
        NotAvailable: the hub cannot be reached, or the licence of a gated model was not accepted.
        FileError: the model's weights are pickles, which could run code.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    partial = arguments.out.with_name(f".{arguments.out.name}.partial")
    try:
        snapshot_download(arguments.hub, revision=arguments.revision, local_dir=partial, allow_patterns=WANTED)
    except GatedRepoError:
        raise NotAvailable(
            f"{arguments.hub}: the model is gated. Accept its licence at https://huggingface.co/{arguments.hub}, "
            "make a token with read access and set HF_TOKEN to it"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise NotAvailable(
            f"{arguments.hub}@{arguments.revision}: cannot be fetched ({type(error).__name__})"
        ) from None
    if not any(partial.glob("*.safetensors")):
        raise FileError(partial, f"no *.safetensors of {arguments.hub}@{arguments.revision}", "weights in that format")
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    partial.rename(arguments.out)
    return f"{arguments.out}: {arguments.hub}@{arguments.revision}"
