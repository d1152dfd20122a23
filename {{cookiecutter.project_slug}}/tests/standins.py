"""Stand-ins for images that this machine cannot pull, under the same names and with the same contract of command line,
environment, paths, ports and health checks: PostgreSQL from Debian's package, rclone's S3 server in place of SeaweedFS, and
Prometheus from Debian's package. Only tests use them: what they show is the stack's wiring, not those images.
"""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.containers import docker
from tests.project import ROOT

BASE = "FROM {base}\nENV DEBIAN_FRONTEND=noninteractive\n"
APT = "RUN apt-get update -qq && apt-get install -qq --no-install-recommends {package} >/dev/null\n"
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
[ "$*" = "mini -dir=/data" ] || { echo "unknown: $*"; exit 2; }
mkdir -p "/data/${S3_BUCKET:?}"
exec rclone serve s3 /data --addr :8333 --auth-key "${AWS_ACCESS_KEY_ID:?},${AWS_SECRET_ACCESS_KEY:?}" --config /tmp/rclone.conf
"""
WGET = r"""#!/usr/bin/env python3
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[-1].replace("/healthz", "/"), timeout=4)
except urllib.error.HTTPError as error:
    sys.exit(error.code >= 500)
except OSError:
    sys.exit(1)
"""


def pulled_or_made(name: str, folder: Path, base: str) -> str:
    """Have an image of compose.yaml: the real one where it is here already or can be pulled, else a stand-in."""
    image = image_of(name)
    for command in (["docker", "image", "inspect", image], ["docker", "pull", "--quiet", image]):
        if subprocess.run(command, capture_output=True).returncode == 0:
            return image
    folder.mkdir(parents=True)
    lines = BASE.format(base=base)
    if name == "postgres":
        (folder / "entrypoint").write_text(POSTGRES, encoding="utf-8")
        lines += (
            APT.format(package="postgresql-15")
            + "ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin\n"
            + "RUN install -d -o postgres -g postgres /var/lib/postgresql/data && chmod 3777 /var/run/postgresql\n"
            + "STOPSIGNAL SIGINT\n"
        )
    elif name == "seaweedfs":
        rclone = shutil.which("rclone", path=os.pathsep.join((str(ROOT / ".venv/bin"), os.environ["PATH"])))
        assert rclone, "rclone is not there: run make setup"
        shutil.copy(rclone, folder / "rclone")
        (folder / "entrypoint").write_text(WEED, encoding="utf-8")
        (folder / "wget").write_text(WGET, encoding="utf-8")
        lines += "COPY --chmod=755 rclone wget /usr/local/bin/\nVOLUME /data\n"
    else:
        assert name == "prometheus", f"there is no stand-in for {name}"
        (folder / "entrypoint").write_text('#!/bin/sh\nexec prometheus "$@"\n', encoding="utf-8")
        (folder / "wget").write_text(WGET, encoding="utf-8")
        lines += (
            APT.format(package="prometheus")
            + "COPY --chmod=755 wget /usr/local/bin/\nRUN install -d -o nobody /prometheus\nUSER nobody\n"
        )
    lines += 'COPY --chmod=755 entrypoint /entrypoint\nENTRYPOINT ["/entrypoint"]\n'
    (folder / "Dockerfile").write_text(lines, encoding="utf-8")
    docker("build", "--quiet", "--network", "host", "--tag", image, str(folder))
    return image


def image_of(name: str) -> str:
    """What compose.yaml runs as that service, with the tag that it has by itself."""
    image: str = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"][name]["image"]
    repository, _, tag = image.partition(":")
    return f"{repository}:{tag.partition(':-')[2].removesuffix('}')}"
