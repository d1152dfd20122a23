"""Other programs, asked for a fact that may not be had."""

import subprocess


def printed(*command: str) -> str | None:
    """What a command prints, without white space around it; None where it fails, or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
