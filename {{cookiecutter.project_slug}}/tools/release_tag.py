"""Print the `models:/<name>/<version>` that a release tag names, as in `python tools/release_tag.py v1.2.0`."""

import sys

from {{ cookiecutter.project_slug }}.ports import UserError
from {{ cookiecutter.project_slug }}.promotion.release import model_of, parse
from {{ cookiecutter.project_slug }}.utils.repository import check_here, find_tag


def reference(name: str) -> str:
    """The reference in a tag's annotation.

    Raises:
        UserError: it is no release tag, it is not here, or it names no version.
    """
    parse(name)
    check_here()
    tag = find_tag(name)
    if tag is None:
        raise UserError(f"there is no tag {name} here: fetch it (`git fetch --tags`; in CI clone with tags)")
    model, version = model_of(name, tag.annotation)
    return f"models:/{model}/{version}"


if __name__ == "__main__":
    try:
        (given,) = sys.argv[1:]
    except ValueError:
        sys.exit("error: give one tag: python tools/release_tag.py v1.2.0")
    try:
        print(reference(given))
    except UserError as error:
        sys.exit(f"error: {error}")
