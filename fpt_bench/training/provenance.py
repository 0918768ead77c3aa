"""On what, and by which code, a run is made."""

import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import torch

from fpt_bench import __version__
from fpt_bench.results.result import Attempt

_LIBRARIES = ("torch", "pytorch-lightning", "transformers", "torchmetrics", "numpy")


_ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout, where this is one."""
_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "sve", "bf16")
"""Instructions of a processor by which libraries choose how to multiply."""


def this_attempt(processes: int = 1) -> Attempt:
    """Describe this process, and how many train with it: code version, library versions and device."""
    return Attempt(
        version=__version__,
        commit=_commit(),
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in _LIBRARIES}},
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        flags=_flags(),
        threads=torch.get_num_threads(),
        platform=platform.platform(),
        processes=processes,
    )


def peak_memory_mb() -> float:
    """Return the GPU's largest allocation since the last reset, or this process's largest resident memory, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)  # there it is bytes


def _commit() -> str | None:
    """Return the git commit of the code, marked where files differ from it; None outside a checkout."""
    if _git("ls-files", "--error-unmatch", "--", str(Path(__file__).resolve().relative_to(_ROOT))) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(*words: str) -> str | None:
    """Return what git says of the repository that begins in the folder of this package; None where none does.

    Not of one around it, such as that of the project whose virtual environment this is, and not of one that variables
    name, as they do within a hook. Whoever runs this code trusts the folder that it comes from.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    variables |= {"GIT_CEILING_DIRECTORIES": str(_ROOT.parent), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    trusting = ["-c", f"safe.directory={_ROOT}", "-c", "core.fsmonitor=false"]
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *trusting, *words],
            capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False, env=variables,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _flags() -> tuple[str, ...] | None:
    """Return those of _FLAGS that the processor has, after `cuda` on a GPU; None where the system does not say."""
    found = _cpuinfo("flags") or _cpuinfo("Features")
    on_gpu = ("cuda",) if torch.cuda.is_available() else ()
    return None if found is None else (*on_gpu, *(flag for flag in _FLAGS if flag in found.split()))


def _cpuinfo(key: str) -> str | None:
    """Return what Linux says of the first processor under a key."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
