"""How soon is a dashboard there? A cold browser context, from the address to the first paint and to a usable form.

Both UIs, before a real service of the default model, in turns; a page without any script is the floor.
"""

import argparse
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from measuring import baked, in_turns, median, note, python_of_bakes, row
from serving import free_port

UIS = ("streamlit", "nicegui")
GOAL = 3.0
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
EMPTY = b"<!doctype html><title>floor</title><button>Predict</button>"


@contextmanager
def process(folder: Path, address: str, *command: str) -> Iterator[None]:
    """A command in a baked project that answers at an address."""
    with (folder / "server.log").open("ab") as log:
        running = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": "src"}, stdout=log, stderr=log)
    try:
        for _ in range(600):
            if running.poll() is not None:
                sys.exit(f"{' '.join(command)} ended:\n{(folder / 'server.log').read_text()}")
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        running.terminate()
        running.wait()


@contextmanager
def floor() -> Iterator[str]:
    """A server of a page that is nothing but a button; its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(EMPTY)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def opened(browser: Any, address: str, paints: list[float]) -> Callable[[], float]:
    """Opens a page in a new context; seconds until its form can be used. Those until it painted go to `paints`."""

    def measure() -> float:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        begin = time.perf_counter()
        page.goto(address)
        button = page.get_by_role("button", name="Predict", exact=True)
        button.click(trial=True)  # it is there, it is still, and nothing lies over it
        usable = time.perf_counter() - begin
        paints.append(page.wait_for_function(PAINT).json_value() / 1e3)
        context.close()
        return usable

    return measure


def main(runs: int) -> None:
    """Train once, serve it, and open each dashboard in turns."""
    from playwright.sync_api import sync_playwright

    python = python_of_bakes()
    with ExitStack() as stack:
        projects = {ui: stack.enter_context(baked(f"dashboard={ui}")).path for ui in UIS}
        first = projects[UIS[0]]
        training = [python, "-m", "benchmarked.cli.train", "model=linear", "progress=false"]
        subprocess.run(training, cwd=first, env=os.environ | {"PYTHONPATH": "src"}, check=True, stdout=sys.stderr)
        ports = {name: free_port() for name in (*UIS, "api")}
        api = f"http://127.0.0.1:{ports['api']}"
        serve = (python, "-m", "deployment.api", f"serving.port={ports['api']}")
        stack.enter_context(process(first, f"{api}/health/ready", *serve))
        addresses = {ui: f"http://127.0.0.1:{ports[ui]}/" for ui in UIS}
        for ui in UIS:
            show = (python, "-m", "deployment.dashboards", f"dashboard.api={api}", f"dashboard.port={ports[ui]}")
            stack.enter_context(process(projects[ui], addresses[ui], *show))
        addresses["floor"] = stack.enter_context(floor())
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        paints: dict[str, list[float]] = {name: [] for name in addresses}
        usable = in_turns(runs, *(opened(browser, address, paints[name]) for name, address in addresses.items()))
        browser.close()
    found = dict(zip(addresses, usable, strict=True))
    for ui in UIS:
        note(f"{ui}: {found[ui]}, painted {paints[ui][1:]}")
        painted, form = sorted(paints[ui][1:]), sorted(found[ui])
        met = painted[len(painted) // 2] <= GOAL and form[len(form) // 2] <= GOAL
        row(
            f"{ui} dashboard, cold browser context: first contentful paint and usable form, s",
            f"{median(painted)} and {median(form)}",
            f"≤ {GOAL:g} both",
            met,
            f"a page with one button: {median(paints['floor'][1:])} and {median(found['floor'])}",
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: %(default)s)")
    main(parser.parse_args().runs)
