"""What a process computes on: name, peak, memory in use at most, energy so far, and the versions of the libraries."""

from __future__ import annotations

import os
import platform
import resource
import time
from importlib import metadata
from pathlib import Path

import torch

from agentflan.training.operations import PEAK_TFLOPS

LIBRARIES = ("torch", "transformers", "deepspeed", "peft", "tokenizers", "liger-kernel", "flash-attn")
_SLOWER = ("pcie", "nvl")  # boards of the same name whose peak is not that of PEAK_TFLOPS
_SAME_PEAK = ("a100",)  # on every board


def name() -> str:
    """The GPU of this process, else the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    models = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else platform.machine()


def peak_flops(device: str) -> float | None:
    """Dense bf16 peak of a device by its name, FLOP/s; nothing where it is not known, as for processors."""
    lower = device.lower()
    known = next((model for model in PEAK_TFLOPS if model in lower), None)
    if known is None or (known not in _SAME_PEAK and any(board in lower for board in _SLOWER)):
        return None
    return PEAK_TFLOPS[known] * 1e12


def peak_memory() -> int:
    """The most that this process has held, bytes: of GPU memory as PyTorch counts it, else of main memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def energy() -> float | None:
    """Joules that this process's GPU has used since its driver was loaded; nothing where no GPU tells."""
    if not torch.cuda.is_available():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000  # of millijoules
    except pynvml.NVMLError:
        return None


def process_age() -> float:
    """Seconds since this process began; before the interpreter's own start-up, where the system tells."""
    try:
        began = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return time.process_time()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / os.sysconf("SC_CLK_TCK")


def versions() -> dict[str, str]:
    """Versions of Python, of what trains and, on a GPU, of CUDA."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found | ({"cuda": torch.version.cuda} if torch.version.cuda else {})


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
