#!/bin/sh
# Sends one sound or X-ray to a running Tosa and prints its diagnosis and score.
#
#     sh examples/client.sh FILE [http://127.0.0.1:5000]
#
# It needs curl. The exit status is not 0 if the server refused the file; the refusal is then on standard error.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 FILE [SERVER]" >&2; exit 2; }
[ -r "$1" ] || { echo "$0: cannot read '$1'" >&2; exit 2; }

response=$(curl --silent --show-error --max-time 60 --write-out '\n%{http_code}' \
  --header 'Content-Type: application/octet-stream' --data-binary "@$1" "${2:-http://127.0.0.1:5000}")
status=$(printf '%s' "$response" | tail -n 1)
answer=$(printf '%s' "$response" | sed '$d')
[ "$status" = 200 ] || { echo "$answer" >&2; exit 1; }
# The first diagnosis and score are those of the answer; jq reads the rest where it is installed.
printf '%s' "$answer" | grep -oE '"(diagnosis|score)": *[^,}]*' | head -n 2
