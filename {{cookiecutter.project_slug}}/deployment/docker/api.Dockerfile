# The HTTP service; batch scoring is the same image with another command. docs/docker.md says how to build and run it.
ARG PYTHON_TAG={{ cookiecutter.python_version }}-slim
ARG UV_TAG=0.13.8

FROM ghcr.io/astral-sh/uv:${UV_TAG} AS uv

# Empty: a folder of wheels may take its place, for machines that cannot reach an index.
FROM scratch AS wheels

FROM python:${PYTHON_TAG} AS builder
COPY --from=uv /uv /usr/local/bin/
ENV UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_NO_INSTALLER_METADATA=1 UV_PROJECT_ENVIRONMENT=/app/.venv
ENV UV_PYTHON_DOWNLOADS=never PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
ARG UV_FIND_LINKS
ARG UV_NO_SOURCES
WORKDIR /source

# A layer that only the lock changes. One process per package, hashes instead of times in the bytecode and one time for
# all files: the same bytes at every build. A file that does not compile (123) is none that anybody imports.
# What is removed is a tenth of the image: the libraries' tests, what pyarrow has for networks and compilers, and what
# onnxruntime has for making models smaller.
FROM builder AS dependencies
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,from=wheels,target=${UV_FIND_LINKS:-/wheels} \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --locked --no-dev --no-editable --no-install-project --extra api --extra batch \
    && rm -r /app/.venv/lib/python*/site-packages/pyarrow/{include,*flight*} \
    && rm -r /app/.venv/lib/python*/site-packages/onnxruntime/{quantization,transformers} \
    && find /app/.venv -type d -name tests -prune -exec rm -r {} + \
    && find /app/.venv/lib/python*/site-packages -mindepth 1 -maxdepth 1 -print0 \
    | xargs -0 -n 1 -P "$(nproc)" python -m compileall -q --invalidation-mode unchecked-hash || [ "$?" -eq 123 ] \
    && chmod -R u=rwX,go=rX /app \
    && find /app -exec touch --no-dereference --date=@315532800 {} +

FROM builder AS project
COPY pyproject.toml README.md LICENSE VERSION ./
COPY src src
RUN --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,from=wheels,target=${UV_FIND_LINKS:-/wheels} \
    uv venv /app/.venv \
    && uv pip install --python /app/.venv --no-deps --refresh-package {{ cookiecutter.project_slug | replace('_', '-') }} .
COPY config /app/config
COPY deployment/__init__.py /app/deployment/
COPY deployment/api /app/deployment/api
RUN python -m compileall -q --invalidation-mode unchecked-hash /app \
    && mkdir /app/outputs \
    && chmod -R u=rwX,go=rX /app \
    && find /app -exec touch --no-dereference --date=@315532800 {} + \
    && chown 10001:10001 /app/outputs

FROM python:${PYTHON_TAG}
COPY --from=dependencies /app /app
COPY --from=project /app /app
ENV PATH=/app/.venv/bin:$PATH HOME=/tmp USER=app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENV SERVING_HOST=0.0.0.0 MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# It drains for serving.drain_seconds and finishes within serving.finish_seconds: allow it 40 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/ready'); exit(c.getresponse().status != 200)"]
CMD ["python", "-m", "deployment.api"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="{{ cookiecutter.project_slug }}-api" \
      org.opencontainers.image.description="The HTTP service and batch scoring of {{ cookiecutter.project_slug }}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.licenses="GPL-3.0-only"
