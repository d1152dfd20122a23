"""Whether a tag of the template is a release: annotated, and the version that its files say.

    python tools/check_release.py v1.2.3

It reads the tag from the repository in the working directory, and prints one line for everything that is wrong.
"""

import datetime
import json
import re
import subprocess
import sys
import tomllib

TAG = re.compile(r"v((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")
HEADING = re.compile(r"^## \[(?P<version>\d[^]]*)\](?: - (?P<date>.*))?$", re.MULTILINE)
"""Of a version in CHANGELOG.md; the first one is the newest."""


def problems(tag: str) -> list[str]:
    """What is wrong with the tag, one line each with what to do; none where it is a release."""
    shape = TAG.fullmatch(tag)
    if not shape:
        return [f"{tag!r} is no release: a tag is vX.Y.Z, such as v1.2.3"]
    kind = _git("cat-file", "-t", f"refs/tags/{tag}")
    if kind is None:
        return [f"there is no tag {tag} in this clone: run `git fetch --tags`, or name another"]
    found = []
    if kind.strip() != "tag":
        found.append(f"{tag} has no annotation: delete it, and make it by `git tag --annotate {tag}`")
    version = shape[1]
    prompts = json.loads(_file(tag, "cookiecutter.json") or "{}")
    project = tomllib.loads(_file(tag, "pyproject.toml")).get("project", {})
    said = {
        "_template_version in cookiecutter.json": prompts.get("_template_version", "absent"),
        "version in pyproject.toml": project.get("version", "absent"),
    }
    for where, other in said.items():
        if other != version:
            found.append(f"{where} is {other}, not {version}: set it, commit, and tag that commit")
    heading = HEADING.search(_file(tag, "CHANGELOG.md"))
    if heading is None or heading["version"] != version:
        newest = "none" if heading is None else heading["version"]
        found.append(f"the newest version in CHANGELOG.md is {newest}, not {version}: write its section")
    elif not _is_date(heading["date"] or ""):
        found.append(f"CHANGELOG.md does not date {version}: write `## [{version}] - YYYY-MM-DD`")
    return found


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _file(tag: str, name: str) -> str:
    """A file as the tag has it, whatever is checked out."""
    return _git("show", f"refs/tags/{tag}:{name}") or ""


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8")
    return done.stdout if done.returncode == 0 else None


def main(tag: str) -> None:
    """Print what is wrong and exit with 1, or say that nothing is."""
    if found := problems(tag):
        sys.exit("\n".join(f"check_release: {line}" for line in found))
    print(f"{tag} is a release of the version that its files name")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("check_release: give one tag, such as v1.2.3")
    main(sys.argv[1])
