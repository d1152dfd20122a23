#!/bin/sh
# Runs a program of the project's environment: of .venv, or of the one that VENV names.
program="${VENV:-.venv}/bin/$1"
[ -x "$program" ] || { echo "error: there is no $program: run make setup first" >&2; exit 1; }
shift
exec "$program" "$@"
