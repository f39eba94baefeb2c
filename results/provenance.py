"""What a process ran on: versions, commit, machine, threads, device."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["changes_bits", "library_versions", "provenance"]

# Environment variables that choose kernels, and with them the last bits of results.
_BITS = (
    "MKL_",
    "OPENBLAS_",
    "BLIS_",
    "GOTO_",
    "ATEN_",
    "ONEDNN_",
    "DNNL_",
    "NPY_",
    "NUMBA_",
    "GLIBC_TUNABLES",
    "KMP_",
    "GOMP_",
    "CUBLAS_",
    "CUDNN_",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCHINDUCTOR_",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
)

# Of those the ones that only say how many threads, how much to print, or where to keep files.
_HARMLESS = ("_NUM_THREADS", "_VERBOSE", "_CACHE_DIR", "_DEBUG", "_WARNINGS")


def changes_bits(variable: str) -> bool:
    """Whether an environment variable can change the bits of results."""
    return variable.startswith(_BITS) and not variable.endswith(_HARMLESS)


@functools.cache
def provenance(device: str = "cpu") -> dict[str, Any]:
    """The struct that every row of this process repeats."""
    import numpy
    import scipy
    import torch

    from dynamark.version import __version__

    commit, dirty = _commit()
    return {
        "dynamark": __version__,
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "numba": _version("numba"),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": 1,
        "blas": _blas(torch),
        "blas_kernels": _kernels(),
        "variables": json.dumps({n: v for n, v in sorted(os.environ.items()) if changes_bits(n)}),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "deterministic": True,
    }


def library_versions() -> dict[str, str | None]:
    """The versions of the libraries that can change scores, as `provenance` has them, without importing the libraries."""
    return {name: _version(name) for name in ("torch", "numpy", "scipy", "numba")}


def _version(package: str) -> str | None:
    """The version of an optional package, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> tuple[str | None, bool | None]:
    """The commit of the checkout that dynamark runs from, and whether it was changed; (None, None) when installed."""
    # Resolved, so that the link src/dynamark/results leads to the checkout and not to what may lie around it.
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return None, None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        # Rows and tables change with each run; only code makes a checkout dirty.
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results/published")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head, bool(changed)


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _blas(torch: Any) -> str:
    text = torch.__config__.show()
    for name in ("MKL", "OpenBLAS", "Accelerate", "BLIS"):
        if name.lower() in text.lower():
            return name
    return "unknown"


def _kernels() -> str:
    """The linear-algebra libraries of this process, with the kernels that they chose for this processor."""
    import threadpoolctl

    names = {
        " ".join(str(pool[part]) for part in ("internal_api", "version", "architecture") if pool.get(part))
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    }
    return "; ".join(sorted(names))
