"""What of the machine decides the last bits of a fit: the processor's model, and how many threads share a sum."""

import os
import platform
import re
import subprocess
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
MODEL_NAME = re.compile(r"^model name\s*:\s*(?P<name>.+?)\s*$", re.MULTILINE)
BRAND = ("sysctl", "-n", "machdep.cpu.brand_string")
"""What asks macOS for the model."""


def cpu() -> str:
    """The processor's model, as far as the system knows it."""
    name = None
    if platform.system() == "Darwin":
        name = _said(*BRAND)
    elif CPU_INFO.is_file():
        found = MODEL_NAME.search(CPU_INFO.read_text(encoding="utf-8"))
        name = found["name"] if found else None
    return name or platform.processor() or platform.machine()


def threads() -> str:
    """Threads of the libraries' pools once `limit_threads` was called; a variable that was set before it counts."""
    return os.environ.get("OMP_NUM_THREADS", "unset")


def _said(*command: str) -> str | None:
    """What a command prints; None where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
