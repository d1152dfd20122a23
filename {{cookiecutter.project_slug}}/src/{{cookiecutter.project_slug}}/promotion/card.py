"""The model card of a version, from what is recorded of it.

The sections are those of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), as far as records fill them;
what a model must not be used for, and whom it may harm, is for people to add to the experiment's description.
"""

import datetime
import textwrap
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..evaluation.metrics import MAIN
from ..ports import RunFacts
from ..schemas.config import TrainConfig
from ..schemas.contract import Column, Contract
from ..schemas.resolved import CONFIG_FILE
from .markdown import groups, number, table
from .report import Report

CARD_FILE = "model_card.md"
SPLITS = {"train": "training", "val": "validation", "test": "held out"}
"""Names of the splits in metrics and tags, and in words."""
LEVELS = 12
"""Categories of a column that the card lists."""
DESCRIPTION = 2_000
"""Characters of a description that a summary holds; MLflow takes 5,000 in all."""


def card(
    contract: Contract, config: TrainConfig | None, run: RunFacts, *, version: str | None, report: Report | None
) -> str:
    """A page of Markdown.

    Args:
        contract: of the servable.
        config: what it was trained with; None where that cannot be read.
        run: the metrics and facts of the run that trained it.
        version: its number; None before it is registered.
        report: what the gates found; None before they were asked.
    """
    lines = [f"# {contract.name}{f' version {version}' if version else ''}", "", "## Model details", ""]
    lines += [f"- {fact}" for fact in _details(contract, config, run)]
    lines += ["", "## Intended use", "", _description(config) or "The experiment's `description` does not say."]
    lines += ["", "## Metrics", "", *_metrics(contract, run)]
    lines += ["", "## Training and evaluation data", ""]
    lines += [f"- {fact}" for fact in _data(contract, config, run)]
    lines += ["", "## Slices", "", *_slices(report)]
    lines += ["", "## Inputs and their limits", "", *_inputs(contract)]
    if report is not None:
        lines += ["", f"## Promotion to {report.to}: {'refused' if report.refusals else 'passed'}", ""]
        lines += report.markdown(level=3)
    return "\n".join(lines) + "\n"


def summary(contract: Contract, config: TrainConfig | None, run: RunFacts, where: str) -> str:
    """A few lines for the registry; `where` is where the card is."""
    target, main = contract.target, f"test/{MAIN[contract.target.kind]}"
    said = textwrap.shorten(_description(config), DESCRIPTION, placeholder=" …")
    lines = [f"{said}." if said and said[-1] not in ".!?…" else said, f"Predicts `{target.name}` ({target.kind})."]
    if main in run.metrics:
        rows = f" of {run.tags['data.rows.test']} rows" if "data.rows.test" in run.tags else ""
        lines.append(f"{MAIN[target.kind]} {number(run.metrics[main])} on the held-out part{rows}.")
    return " ".join([*filter(None, lines), f"Model card: {where}."])


def _description(config: TrainConfig | None) -> str:
    return " ".join(config.description.split()) if config else ""


def _details(contract: Contract, config: TrainConfig | None, run: RunFacts) -> list[str]:
    target, made_from = contract.target, contract.provenance
    unit = f", in {target.unit}" if target.unit else ""
    classes = f": {', '.join(str(label) for label in target.classes)}" if target.classes else unit
    facts = [f"Predicts `{target.name}`, {'a class' if target.classes else 'a number'}{classes}"]
    if config is not None:
        library = config.model.get("classifier" if target.classes else "regressor")
        inner = f" with `{library['_target_']}`" if library else ""
        facts.append(f"Model: `{config.model['_target_']}`{inner}, seed {config.seed}; see the run's {CONFIG_FILE}")
    opsets = ", ".join(f"{name} {number}" for name, number in contract.opsets.items())
    facts.append(f"Format: one ONNX graph ({opsets}) with its contract, schema version {contract.schema_version}")
    if made_from is not None:
        state = {True: ", with uncommitted changes", False: "", None: ", state unknown"}[made_from.dirty]
        facts.append(f"Code: commit {made_from.commit or 'unknown'}{state}; uv.lock {made_from.lock or 'unknown'}")
        facts.append(f"Configuration: {made_from.config}")
    packages = [f"{name.removeprefix('package.')} {value}" for name, value in sorted(run.tags.items())
                if name.startswith("package.") and value != "absent"]  # fmt: skip
    if packages:
        facts.append(f"Libraries: {', '.join(packages)}")
    return facts


def _metrics(contract: Contract, run: RunFacts) -> list[str]:
    names = dict.fromkeys(name.partition("/")[2] for name in run.metrics if name.partition("/")[0] in SPLITS)
    if not names:
        return ["None are recorded."]
    main = MAIN[contract.target.kind]
    order = sorted(names, key=lambda name: (name != main, name))
    rows = [[name, *(number(run.metrics.get(f"{split}/{name}")) for split in SPLITS)] for name in order]
    return [f"Versions are compared by {main}; lower is better.", "", *table(["metric", *SPLITS.values()], rows)]


def _data(contract: Contract, config: TrainConfig | None, run: RunFacts) -> list[str]:
    facts = []
    if contract.provenance is not None:
        facts.append(f"Raw table: sha256 {contract.provenance.data}")
    if config is not None:
        facts.append(f"Source: `{config.data.name}`, {_source(config)}")
    counts = [f"{run.tags[f'data.rows.{split}']} {word}" for split, word in SPLITS.items()
              if f"data.rows.{split}" in run.tags]  # fmt: skip
    if "data.rows" in run.tags:
        facts.append(f"Rows: {run.tags['data.rows']}{f' ({listed})' if (listed := ', '.join(counts)) else ''}")
    split = ", ".join(f"{key} {value}" for key, value in contract.split.items() if value is not None)
    facts.append(f"Split: {split or 'unknown'}; held-out rows were seen by neither fitting nor tuning")
    return facts


def _source(config: TrainConfig) -> str:
    if config.data.source is None:
        return "a file of the user"
    kind, url = str(config.data.source["_target_"]).rpartition(".")[2], config.data.source.get("url")
    if not isinstance(url, str):
        return kind
    parts = urlsplit(url)  # without an account or a token that the address may hold
    return f"{kind} {parts.scheme}://{parts.hostname or ''}{parts.path}"


def _slices(report: Report | None) -> list[str]:
    if report is None:
        return ["They are measured by the gates, when the version is promoted."]
    found = report.verdicts["quality"].figures.get("slices") if "quality" in report.verdicts else None
    if not isinstance(found, Mapping) or not found:
        return ["None are named for this model, or none were measured: see `slices` of the gate `quality`."]
    said = (
        "The main metric on named groups of held-out rows, beside that of the version under `prod` where there is one;"
    )
    return [f"{said} `low` and `high` are the interval of the difference.", "", *groups(found)]


def _inputs(contract: Contract) -> list[str]:
    rows = [[f"`{column.name}`", _kind(column), "yes" if column.missing else "no", _seen(column)]
            for column in contract.inputs]  # fmt: skip
    said = "What training saw is no limit: values beyond it are answered, and nobody has measured how well."
    lines = [said, "", *table(["input", "kind", "may be missing", "seen in training"], rows)]
    if contract.keys:
        lines += ["", f"Keys, which no prediction depends on: {', '.join(f'`{key.name}`' for key in contract.keys)}."]
    return lines


def _kind(column: Column) -> str:
    return column.kind + (f", {column.unit}" if column.unit else "") + (f", {column.width}" if column.width > 1 else "")


def _seen(column: Column) -> str:
    if column.categories:
        more = len(column.categories) - LEVELS
        return ", ".join(column.categories[:LEVELS]) + (f" and {more} more" if more > 0 else "")
    if column.range is None:
        return "–"
    if column.kind == "time":
        first, last = (datetime.datetime.fromtimestamp(second, datetime.UTC).date() for second in column.range)
        return f"{first} to {last}"
    return f"{column.range[0]:g} to {column.range[1]:g}"
