"""The next release candidate of a model version, or the release of the one under staging: `make release ARGS="--help"`.

Without `--execute` it says what it would do, and changes nothing. It never pushes.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from {{ cookiecutter.project_slug }}.cli.tagging import Asked, check
from {{ cookiecutter.project_slug }}.integrations.mlflow_registry import MlflowRegistry
from {{ cookiecutter.project_slug }}.ports import Mover, Registry, UserError, Version
from {{ cookiecutter.project_slug }}.promotion.lifecycle import Lifecycle
from {{ cookiecutter.project_slug }}.promotion.releasable import last_release
from {{ cookiecutter.project_slug }}.promotion.turns import Turns
from {{ cookiecutter.project_slug }}.schemas.compatibility import incompatibility
from {{ cookiecutter.project_slug }}.schemas.contract import Contract
from {{ cookiecutter.project_slug }}.utils.repository import check_here, git
from {{ cookiecutter.project_slug }}.utils.verb import compose

from tools.release_plan import BUMPS, Plan, candidate, final
from tools.release_writing import carry_out


def release(arguments: list[str]) -> Plan:
    """Plan a release, say so, and carry it out where that is asked for.

    Raises:
        UserError: CI would refuse it, or there is nothing to release; or git failed, and all is as it was before.
    """
    options = _parser().parse_args(arguments)
    check_here()
    if git("status", "--porcelain") != "":
        raise UserError("the tree has uncommitted changes: commit or stash them first (`git status` lists them)")
    given = [] if options.model is None else [f"mlflow.model='{options.model}'"]
    config = compose("promote", given)
    with TemporaryDirectory() as folder:
        registry = MlflowRegistry(config.mlflow.tracking_uri, Path(folder))
        version = _version(registry, config.mlflow.model, options.step, options.version)
        versions = registry.versions(version.name)
        plan = candidate(version, versions, options.bump) if options.step == "candidate" else final(version, versions)
        lifecycle = Lifecycle(registry, version.name, Mover("release"), Turns(registry, version.name, lease=0))
        wish = Asked(version, plan.release.to, config.promotion.new_major, lifecycle, plan.release)
        if not check(wish, registry, "HEAD"):
            _check_compatible(registry, version, lifecycle.incumbent(version), versions)
    print(plan.shown(), flush=True)
    if options.execute:
        carry_out(plan)
        print(f"done; now push it: {plan.push}")
    else:
        print("nothing was changed: add --execute to do it")
    return plan


def _version(registry: Registry, model: str, step: str, number: int | None) -> Version:
    """The version that is named; without a number the one under `dev`, and for a release the one under `staging`."""
    if number is not None:
        return registry.find(f"models:/{model}/{number}")
    alias = "dev" if step == "candidate" else "staging"
    held = next((version for version in registry.versions(model) if alias in version.aliases), None)
    if held is None:
        first = "train one" if step == "candidate" else "push the tag of a candidate, and wait for CI"
        raise UserError(f"no version of {model} holds {alias}: {first}, or name one (--version, --model)")
    return held


def _check_compatible(
    registry: Registry, version: Version, incumbent: Version | None, versions: Sequence[Version]
) -> None:
    """Refuse here what the contract gate would refuse in CI."""
    if incumbent is None:
        return
    broken = incompatibility(Contract.read(registry.download(version)), Contract.read(registry.download(incumbent)))
    if broken is None:
        return
    told = "tag a new major release, --bump major"
    if last_release(incumbent, versions) is None:
        told = "promote it by its number with promotion.new_major=true, since no release has a number to compare with"
    name = f"{version.name} version {version.version}"
    raise UserError(
        f"{name} is not compatible with version {incumbent.version}, which holds prod: {broken}; "
        f"when clients are told, {told}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='make release ARGS="…"', description=(__doc__ or "").partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    for step, does in (
        ("candidate", "raise VERSION, date CHANGELOG's section, and tag the version under dev as vX.Y.Z-rc.N"),
        ("final", "tag the version under staging as vX.Y.Z"),
    ):
        one = steps.add_parser(step, help=does, description=does)
        one.add_argument("--version", type=int, help="another version of the model, by its number")
        one.add_argument("--model", help="the registered model (mlflow.model)")
        one.add_argument("--execute", action="store_true", help="do it, not only say it")
        if step == "candidate":
            one.add_argument("--bump", choices=BUMPS, help="default: none until VERSION is released, then minor")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        release(sys.argv[1:])
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
