#!/bin/sh
# Build images of the project, labelled with commit and version: [IMAGES="api trainer"] build.sh [flags of docker build]
# REGISTRY=host/path names them for a registry; with PUSH=1 they are pushed, and one that is there already is not built.
set -eu
cd "$(dirname "$0")/../.."

refuse() {
    echo "error: $1" >&2
    exit 1
}

[ -f uv.lock ] || refuse "there is no uv.lock, from which images are installed: run make setup, and commit it"
case "${PUSH:-0}" in
    0) ;;
    1) [ -n "${REGISTRY:-}" ] || refuse "PUSH=1 needs REGISTRY=host/path: where should the images go?" ;;
    *) refuse "PUSH is $PUSH: set it to 1 to push, or leave it out" ;;
esac
docker info >/dev/null 2>&1 || refuse "no container engine answers \`docker info\`: start one, or set DOCKER_HOST"

version=$(cat VERSION)
set -- --build-arg "VERSION=$version" "$@"
# A repository further up knows nothing of this project.
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ] && revision=$(git rev-parse --verify --quiet HEAD); then
    if [ -n "$(git status --porcelain)" ]; then
        [ "${PUSH:-0}" = 0 ] || refuse "changes are uncommitted, so no tag would say what is in the images: commit them"
        revision=$revision-dirty
    fi
    created=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
    source=$(git config remote.origin.url | sed -E 's|//[^/@]*@|//|' || true)
    set -- --build-arg "REVISION=$revision" --build-arg "CREATED=$created" --build-arg "SOURCE=${source:-unknown}" \
        --build-arg "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" "$@"
fi
# The folder of wheels that the lock was made with.
if [ -n "${UV_FIND_LINKS:-}" ]; then
    set -- --build-context "wheels=$UV_FIND_LINKS" --build-arg UV_FIND_LINKS --build-arg UV_NO_SOURCES "$@"
fi

export DOCKER_BUILDKIT=1
for image in ${IMAGES:-api trainer mlflow}; do
    name=${REGISTRY:+$REGISTRY/}{{ cookiecutter.project_slug }}-$image:$version
    recipe=deployment/docker/$image.Dockerfile
    [ -f "$recipe" ] || refuse "there is no $recipe: IMAGES is a list of $(cd deployment/docker && echo *.Dockerfile | sed 's/\.Dockerfile//g')"
    # A tag means one image for ever: what a release was rolled out with is what it is rolled out with again.
    if [ "${PUSH:-0}" = 1 ]; then
        if found=$(docker buildx imagetools inspect "$name" 2>&1); then
            echo "$name is in the registry"
            continue
        fi
        case $found in  # a registry that does not answer may have it
            *"$name: not found"* | *"manifest unknown"* | *"name unknown"* | *"does not exist"*) ;;
            *) refuse "whether $name is in the registry cannot be told ($(echo "$found" | tail -n 1)): try again" ;;
        esac
    fi
    echo "building $name"
    if [ "$image" = trainer ]; then
        docker build --file "$recipe" --tag "$name" --build-arg "TORCH=${TORCH:-cpu}" "$@" .
    else
        docker build --file "$recipe" --tag "$name" "$@" .
    fi
    [ "${PUSH:-0}" = 0 ] || docker push --quiet "$name"
done
