#!/bin/sh
# Runs every fuzz target of the tree for FUZZTIME (30s unless set), one after the other; stops at the first that fails.
set -eu
cd "$(dirname "$0")/.."

grep -rHo --include='*_test.go' '^func Fuzz[[:alnum:]_]*' . |
    sed 's|^\(.*\)/[^/]*:func |\1 |' |
    sort |
    while read -r package target; do
        echo "fuzz: $package $target"
        go test "$package" -run '^$' -fuzz "^$target\$" -fuzzminimizetime 10x -fuzztime "${FUZZTIME:-30s}" </dev/null
    done
