"""What a session was played on: versions and hardware, without importing anything heavy."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

PACKAGES = (
    "driftloop", "torch", "torchvision", "diffusers", "transformers", "tokenizers", "safetensors",
    "accelerate", "peft", "numpy", "pillow", "openai", "beautifulsoup4", "ftfy",
)  # fmt: skip


def describe_environment() -> dict[str, Any]:
    """Versions, processor, memory, threads and accelerators."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "versions": versions,
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        facts["torch_threads"] = torch.get_num_threads()
        facts["accelerators"] = [
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        ]
    return facts


def device_name(limits: dict[str, Any]) -> str | None:
    """What a player computes on, by the device among its limits; None where that is elsewhere."""
    device = limits.get("device")
    if device is None:
        return None
    torch = sys.modules.get("torch")
    if str(device).startswith("cuda") and torch is not None:
        return str(torch.cuda.get_device_name(device))
    return _processor() if str(device) == "cpu" else str(device)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.split(":", 1)[1].strip() for line in stream if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
