#!/bin/sh
# Write the locks of envtool's own dependencies: lockfiles/envtool.txt (what bootstrap installs) and
# lockfiles/envtool-test.txt (what the tests need besides); and envtool/bundle/pyinstaller.txt (what envtool bundle
# installs beside an app). Needs uv. Arguments go to uv, such as --upgrade.
set -eu
CDPATH="" cd -- "$(dirname -- "$0")/.."

compile() {
    uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
        --quiet --custom-compile-command scripts/relock.sh "$@"
}

# The build backend is locked with the rest, so that envtool itself is built without another download. Typer from 0.29 on
# imports pydantic, which takes a quarter of the time of a short command (docs/adr/0160): it works, and is not locked.
printf '%s\n' 'flit_core>=3.11,<4' 'typer<0.29' | compile pyproject.toml - -o lockfiles/envtool.txt "$@"
compile pyproject.toml --group test --group lint -c lockfiles/envtool.txt -o lockfiles/envtool-test.txt "$@"

python3 - <<'END' | compile - -o envtool/bundle/pyinstaller.txt "$@"
import re
text = open("pyproject.toml", encoding="utf-8").read()
print("\n".join(re.search(r"^bundle = \[(.*)\]$", text, re.M)[1].replace('"', "").split(", ")))
END
