#!/bin/sh
# Run the tests.
#
#   sh scripts/test.sh                 everything that can run here
#   sh scripts/test.sh unit            the unit tests, on every Python 3.10 to 3.14 found here
#   sh scripts/test.sh functional      real uv, generated wheels, indexes on loopback; and the fault tests
#   sh scripts/test.sh e2e             the official wheel, where PIP_FIND_LINKS names a folder that has it
#   sh scripts/test.sh all -k rollback  more words go to pytest
#
# ENVTOOL_TEST_CUDA=1 adds the real rollback to full CUDA torch (gigabytes); ENVTOOL_TEST_NETWORK=1 what needs the
# default index.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/.."

suite=${1:-all}
[ $# -eq 0 ] || shift

fail() {
    printf 'test: %s\n' "$1" >&2
    exit 2
}

usable() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

main=
for name in ${PYTHON:-python3 python python3.14 python3.13 python3.12 python3.11 python3.10}; do
    if command -v "$name" >/dev/null 2>&1 && usable "$name"; then
        main=$name
        break
    fi
done
[ -n "$main" ] || fail "no Python 3.10 to 3.14 found: install one, or set PYTHON=/path/to/python"
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME || true

minor() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# The first environment brings uv, which makes the others in a second or two; where it cannot, pip does, or says why.
by_uv() {
    uv=.tools-test/$(minor "$main")/bin/uv
    [ "$1" != "$main" ] && "$uv" venv --quiet --clear --python "$1" "$2" 2>/dev/null &&
        "$uv" pip install --quiet --python "$2" --no-deps --require-hashes --only-binary :all: \
            -r lockfiles/envtool-test.txt 2>/dev/null
}

by_pip() {
    "$1" -m venv --clear "$2" || fail "cannot create $2: does this Python have venv and ensurepip?"
    "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
        -r lockfiles/envtool-test.txt || fail "cannot install the test dependencies"
}

# One environment a Python, from the locked test dependencies; the checkout itself is tested, not an installed copy.
prepare() {
    folder=.tools-test/$(minor "$1")
    digest=$("$1" -c 'import hashlib; print(hashlib.sha256(open("lockfiles/envtool-test.txt", "rb").read()).hexdigest())')
    if [ "$(cat "$folder/state" 2>/dev/null || true)" != "$digest" ]; then
        printf 'test: environment for Python %s\n' "$(minor "$1")" >&2
        by_uv "$1" "$folder" || by_pip "$1" "$folder"
        printf '%s\n' "$digest" >"$folder/state"
    fi
}

# run PYTHON WORKERS ARGUMENTS. loadgroup: tests that share an expensive build (xdist_group) stay in one worker. Three
# workers are more than the two cores of a small runner: many tests wait, for a download or for a program that they kill.
run() {
    python=.tools-test/$(minor "$1")/bin/python
    workers=$2
    shift 2
    PYTHONPATH=$PWD "$python" -m pytest -q -n "$workers" --dist loadgroup "$@"
}

# Every other Python found here, one a minor version: on the PATH, and where pyenv keeps them.
others() {
    for version in 3.10 3.11 3.12 3.13 3.14; do
        [ "$version" != "$(minor "$main")" ] || continue
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
            if command -v "$candidate" >/dev/null 2>&1 && usable "$candidate"; then
                printf '%s\n' "$candidate"
                break
            fi
        done
    done
}

# The unit tests on the others, all at once and without workers, each of which would collect all of them once more.
unit_on_others() {
    logs=$(mktemp -d)
    jobs=
    trap '[ -z "$jobs" ] || kill $jobs 2>/dev/null || :; rm -rf "$logs"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    for other in $(others); do
        prepare "$other"
        printf 'test: unit tests on Python %s\n' "$(minor "$other")" >&2
        run "$other" 0 tests/unit "$@" >"$logs/$(minor "$other")" 2>&1 &
        jobs="$jobs $!"
    done
    status=0
    for job in $jobs; do
        wait "$job" || status=$?
    done
    jobs=
    for log in "$logs"/*; do
        [ ! -f "$log" ] || { printf 'test: Python %s\n' "${log##*/}" && cat "$log"; }
    done
    return "$status"
}

prepare "$main"
case $suite in
unit | all) unit_on_others "$@" ;;
esac
case $suite in
unit) run "$main" 2 tests/unit "$@" ;;
functional) run "$main" 3 tests/functional tests/functional_setup tests/fault "$@" ;;
e2e) run "$main" 3 tests/e2e "$@" ;;
all) run "$main" 3 tests "$@" ;;
*) fail "unknown suite $suite: it is all, unit, functional or e2e" ;;
esac
