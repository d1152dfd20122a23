"""Which images of a release's manifests are the project's own, and where a registry has them."""

import re
from collections.abc import Iterator
from typing import Any

OWN = re.compile(r"(?:.*/)?({{ cookiecutter.project_slug }}-[a-z]+)")
Manifest = dict[str, Any]


def placed(manifests: list[Manifest], registry: str, version: str) -> list[dict[str, str]]:
    """What kustomize has to know of each of the project's images: the name it has, the registry's, and the tag.

    Args:
        manifests: as the overlay renders.
        registry: host and path.
        version: of the release, which is the tag of its images.

    Raises:
        ValueError: none of them is the project's.
    """
    names = {re.sub(r"[:@][^/]*$", "", image) for image in _images(manifests)}
    own = {name: found[1] for name in names if (found := OWN.fullmatch(name))}
    if not own:
        raise ValueError("the overlay runs no image of this project")
    return [{"name": name, "newName": f"{registry}/{own[name]}", "newTag": version} for name in sorted(own)]


def _images(node: Any) -> Iterator[str]:
    """Every container's image, wherever pods are described."""
    if isinstance(node, dict):
        if isinstance(node.get("image"), str):
            yield node["image"]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _images(one)
