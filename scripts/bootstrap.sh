#!/bin/sh
# A fresh runner in one command: envtool in .tools, then a proven CPU-only torch environment in .venv.
#
#   sh scripts/bootstrap.sh [options of envtool setup]
#
# Needs Python >= 3.10 with venv, and a package index. PYTHON=/path/to/python chooses another one.
# The checkout stays clean: .tools, .venv and .envtool are ignored by git.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/.."

fail() {
    printf 'bootstrap: %s\n' "$1" >&2
    exit "${2:-2}"
}

usable() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.10 to 3.14 that runs: set another one, or unset it"
        printf '%s\n' "$PYTHON"
        return
    fi
    for name in python3 python python3.14 python3.13 python3.12 python3.11 python3.10; do
        if usable "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "no Python 3.10 to 3.14 found: install one, or set PYTHON=/path/to/python"
}

# By python -m and not by the scripts beside it, which name the folder that they were made in: a checkout may be moved.
tools_python() {
    if [ -d .tools/Scripts ]; then .tools/Scripts/python "$@"; else .tools/bin/python "$@"; fi
}

# What is installed in .tools is remembered by a digest over all that it is made from.
state() {
    "$1" - <<'EOF'
import hashlib, pathlib, sys
digest = hashlib.sha256(sys.version.encode())
for path in [pathlib.Path("pyproject.toml"), pathlib.Path("lockfiles/envtool.txt"), *sorted(pathlib.Path("envtool").rglob("*"))]:
    if path.is_file() and "__pycache__" not in path.parts:
        digest.update(str(path).encode() + path.read_bytes())
print(digest.hexdigest())
EOF
}

python=$(find_python)
wanted=$(state "$python")
if [ "$(cat .tools/state 2>/dev/null || true)" != "$wanted" ] || ! usable tools_python; then
    printf 'bootstrap: envtool into .tools, with %s\n' "$("$python" --version 2>&1)" >&2
    "$python" -m venv --clear .tools \
        || fail "cannot create .tools: see above; without ensurepip, install it (Debian and Ubuntu: apt install python3-venv)" 6
    # In the new environment VIRTUAL_ENV and PYTHONPATH of an outer one would mislead pip.
    unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
    tools_python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
        -r lockfiles/envtool.txt || fail "cannot install envtool's own dependencies: can the package index be reached? A mirror goes into PIP_INDEX_URL" 6
    tools_python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation . \
        || fail "cannot install envtool from this checkout" 6
    printf '%s\n' "$wanted" >.tools/state
fi

tools_python -I -m envtool setup --cpu "$@"
case " $* " in
*" --help "* | *" -h "* | *" --dry-run "* | *" --in-place "*) ;; # nothing new stands at .venv
*" --json "*) tools_python -I -m envtool verify --quiet >&2 ;; # stdout has one object
*" --quiet "* | *" -q "*) tools_python -I -m envtool verify --quiet ;;
*) tools_python -I -m envtool verify ;;
esac
