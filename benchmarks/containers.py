"""How soon is the service ready in its container, how large is it there, and how soon is the whole stack up?

Images are built before, from the bake; those of PostgreSQL and SeaweedFS have the stand-ins of the bake's own tests
where they cannot be pulled. Files are in the machine's cache. Floor: `python -c pass` in the service's image.
"""

import argparse
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import SLUG, in_project, in_turns, median, note, ratio, row
from serving import load

READY, MEMORY, SIZE, UP = 5, 250, 650, 90
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def until_ready(containers: Any, tag: str, servable: Path) -> float:
    """Seconds from `docker run` to the first 200 of /health/ready, with a servable from a folder."""
    begin = time.perf_counter()
    volumes = (f"{servable}:/servable:ro",)
    with containers.running(tag, 8000, volumes=volumes, SERVING_REFERENCE="/servable") as container:
        while True:
            try:
                containers.OPENER.open(f"{container.url}/health/ready", timeout=5).close()
                return time.perf_counter() - begin
            except OSError:  # nobody listens yet, or 503
                if time.perf_counter() - begin > containers.PATIENCE:
                    sys.exit(f"the service is not ready after {containers.PATIENCE} s:\n{container.log}")
                time.sleep(0.02)


def until_ended(containers: Any, tag: str) -> float:
    """Seconds of a container that does nothing."""
    begin = time.perf_counter()
    containers.finished(tag, "python", "-c", "pass")
    return time.perf_counter() - begin


def until_up(stack: Any) -> float:
    """Seconds of `make stack`, which ends when everything is healthy."""
    begin = time.perf_counter()
    stack.make("stack")
    took = time.perf_counter() - begin
    note(f"make stack: {took:.1f} s, {len(stack.containers())} containers")
    return took


def bring_up(stack: Any, rounds: int, kept: Path) -> tuple[list[float], list[float]]:
    """From nothing at all; and after `make stack-down`, with the default model to serve, which stays in `kept`, too."""
    first, again = [until_up(stack)], []
    for _ in range(rounds - 1):
        stack.destroy()
        first.append(until_up(stack))
    stack.make("train", f"progress=false keep={kept}", account="ci")
    stack.make("stack")
    for _ in range(rounds):
        stack.make("stack-down")
        again.append(until_up(stack))
    return first, again


def memory(stack: Any, docker: Any) -> tuple[float, float]:
    """10^6 bytes after requests: resident in the service's process, and what the engine says of its container."""
    load(int(stack.port("api").split(":")[1]), 3, key=stack.secret("API_KEY"))
    name = stack.run("docker", "compose", "ps", "--quiet", "api").strip()
    status = docker("exec", name, "cat", "/proc/1/status").splitlines()
    resident = int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name).split()[0]
    return resident / 1e6, float(used[:-3]) * UNITS[used[-3:]] / 1e6


def main(rounds: int) -> None:
    """Build, bring up, train into it, measure; no container, volume or image of the project stays."""
    sys.path.insert(0, str(Path.cwd()))  # the project's own tests know how to build images and run a stack
    containers = import_module("tests.containers")
    if reason := containers.trouble():
        note(f"containers are not measured: {reason}")
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, kept = Path(name), Path(name) / "kept"
        standins = import_module("tests.standins")
        others = {"postgres": standins.postgres, "seaweedfs": standins.seaweedfs}
        with import_module("tests.stacks").prepared(folder, ("api", "mlflow"), others) as stack:
            first, again = bring_up(stack, rounds, kept)
            if stack.asked("/model")["name"] != SLUG:
                sys.exit(f"the stack serves {stack.asked('/model')}")
            resident, used = memory(stack, containers.docker)
            stack.destroy()
            tag = stack.project.tag("api")
            size = stack.project.inspect("api")["Size"] / 1e6
            ready, bare = in_turns(
                rounds,
                lambda: until_ready(containers, tag, kept / "servable"),
                lambda: until_ended(containers, tag),
            )
    floor = f"× a container with `python -c pass`, {median(bare)}"
    row(
        "API container, `docker run` to ready, default model, s",
        median(ready), f"≤ {READY}", statistics.median(ready) <= READY, f"{ratio(ready, bare):.1f} {floor}",
    )  # fmt: skip
    row(
        "API container after requests, default model from the registry, MB: resident, and as `docker stats` has it",
        f"{resident:.0f} and {used:.0f}", f"≤ {MEMORY} both", max(resident, used) <= MEMORY,
    )  # fmt: skip
    row("API image with its base, MB", f"{size:.0f}", f"≤ {SIZE}", size <= SIZE)
    for what, times in (
        ("`make stack`, nothing there and nothing to serve, to healthy, s", first),
        ("`make stack` after `make stack-down`, with the service, to healthy, s", again),
    ):
        over = statistics.median(times) / statistics.median(bare)
        row(what, median(times, 1), f"≤ {UP}", statistics.median(times) <= UP, f"{over:.0f} {floor}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each (default: %(default)s)")
    options = parser.parse_args()
    in_project(lambda: main(options.rounds))
