"""Says in one line what is wrong with an override of the command line, and which key was meant."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any


def unknown_key(key: str, config: Mapping[str, Any]) -> str:
    """The line for a key that a verb's configuration does not have.

    Args:
        key: as it was given, such as `reference`.
        config: the verb's configuration without overrides.
    """
    problem = f"there is no key {key!r} to override"
    known = list(_keys(config))
    if key == "experiment" and "mlflow.model" in known:
        return f"{problem}: this verb takes no experiment; name its model instead, as in mlflow.model=<name>"
    meant = _closest(key, known)
    return f"{problem}; did you mean {meant}?" if meant else f"{problem}; see config/ for those there are"


def _closest(key: str, known: list[str]) -> str | None:
    """The key that ends alike, else the one that is spelled alike as a whole or in its last part."""
    last = key.rpartition(".")[2]
    ends_alike = [name for name in known if name.rpartition(".")[2] == last]
    if ends_alike:
        return max(ends_alike, key=lambda name: difflib.SequenceMatcher(None, name, key).ratio())
    alike = difflib.get_close_matches(key, known, n=1)
    if alike:
        return alike[0]
    ends = {name.rpartition(".")[2]: name for name in reversed(known)}
    return next((ends[end] for end in difflib.get_close_matches(last, list(ends), n=1, cutoff=0.75)), None)


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """All keys with their paths, groups before what is in them."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")
