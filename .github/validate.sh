#!/usr/bin/env bash
# The work of action.yml: installs agentrun from the action's own checkout, checks, and hands over what was found.
set -euo pipefail

venv="${RUNNER_TEMP:-$(mktemp -d)}/agentrun-venv"
if ! [ -x "$venv/bin/agentrun" ]; then
  "$AGENTRUN_PYTHON" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$AGENTRUN_SOURCE"
fi

options=(--format auto)
while read -r line; do
  if [[ $line == -* ]]; then
    read -ra words <<<"$line"
    options+=("${words[@]}")
  elif [ -n "$line" ]; then
    options+=("$line")
  fi
done <<<"$AGENTRUN_ARGS"
if [ -n "$AGENTRUN_SARIF" ]; then options+=(--output-file "sarif=$AGENTRUN_SARIF"); fi
summary=""
if [ "$AGENTRUN_SUMMARY" = true ] && [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  summary="$(mktemp)"
  options+=(--output-file "markdown=$summary")
fi
options+=(--)
while read -r line; do
  if [ -n "$line" ]; then options+=("$line"); fi
done <<<"$AGENTRUN_PATHS"

code=0
"$venv/bin/agentrun" validate "${options[@]}" || code=$?
if [ -s "$summary" ]; then cat "$summary" >>"$GITHUB_STEP_SUMMARY"; fi
{
  echo "exit-code=$code"
  if [ -n "$AGENTRUN_SARIF" ] && [ -f "$AGENTRUN_SARIF" ] && { [ "$code" = 0 ] || [ "$code" = 3 ]; }; then
    case $AGENTRUN_SARIF in
      /*) echo "sarif-file=$AGENTRUN_SARIF" ;;
      *) echo "sarif-file=${AGENTRUN_FOLDER%/}/$AGENTRUN_SARIF" ;;
    esac
  else
    echo "sarif-file="
  fi
} >>"$GITHUB_OUTPUT"
exit "$code"
