#!/bin/sh
# Push the images of the release that tools/deploy.py has checked out, and build those that the registry lacks. It needs
# docker and git alone. Credentials are in the environment, and on the disk no longer than this runs.
set -eu

refuse() {
    echo "error: $1" >&2
    exit 1
}

release=outputs/release
[ -f "$release/VERSION" ] || refuse "there is no $release: run the step before first"
: "${IMAGE_REGISTRY:?is not set: the secret image_registry is host/path of your registry}"
: "${IMAGE_REGISTRY_USERNAME:?is not set: the secret image_registry_username}"
: "${IMAGE_REGISTRY_PASSWORD:?is not set: the secret image_registry_password}"

umask 077
keys=$(mktemp -d)
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins  # where somebody has installed buildx for himself
trap 'rm -rf "$keys"' EXIT
trap 'exit 143' HUP INT TERM
export DOCKER_CONFIG="$keys"
[ ! -d "$plugins" ] || ln -s "$plugins" "$keys/cli-plugins"
case "${DOCKER_HOST:-}" in
    tcp://*)  # an engine elsewhere: it and we know each other by certificates, or it would be anybody's
        : "${DOCKER_CA:?is not set: the secret docker_ca}"
        : "${DOCKER_CERT:?is not set: the secret docker_cert}"
        : "${DOCKER_KEY:?is not set: the secret docker_key}"
        printf '%s\n' "$DOCKER_CA" >"$keys/ca.pem"
        printf '%s\n' "$DOCKER_CERT" >"$keys/cert.pem"
        printf '%s\n' "$DOCKER_KEY" >"$keys/key.pem"
        export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$keys"
        ;;
esac

printf '%s' "$IMAGE_REGISTRY_PASSWORD" |
    docker login --username "$IMAGE_REGISTRY_USERNAME" --password-stdin "${IMAGE_REGISTRY%%/*}"
images=$(cd "$release/deployment/docker" && for recipe in *.Dockerfile; do echo "${recipe%.Dockerfile}"; done)
umask 022  # what is built has the modes of the checkout
IMAGES=$images REGISTRY=$IMAGE_REGISTRY PUSH=1 "$release/deployment/docker/build.sh"
