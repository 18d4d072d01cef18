# A fresh Windows runner in one command: envtool in .tools, then a proven CPU-only torch environment in .venv.
#
#   powershell -ExecutionPolicy Bypass -File scripts/bootstrap.ps1 [options of envtool setup]
#
# The twin of bootstrap.sh. Needs Python >= 3.10 and a package index. $env:PYTHON chooses another Python.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

function Stop-Bootstrap([string] $Message, [int] $Code = 2) {
    [Console]::Error.WriteLine("bootstrap: $Message")
    exit $Code
}

function Test-Python([string] $Name) {
    if (-not (Get-Command $Name -ErrorAction SilentlyContinue)) { return $false }
    # Windows PowerShell makes an error of any word on stderr, and the Store's stand-in for python has one.
    $ErrorActionPreference = 'Continue'
    & $Name -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>$null
    return $LASTEXITCODE -eq 0
}

$names = if ($env:PYTHON) { @($env:PYTHON) } else { @('python', 'python3', 'py') }
$python = $names | Where-Object { Test-Python $_ } | Select-Object -First 1
if (-not $python -and $env:PYTHON) { Stop-Bootstrap "PYTHON=$env:PYTHON is no Python 3.10 to 3.14 that runs: set another one, or unset it" }
if (-not $python) { Stop-Bootstrap 'no Python 3.10 to 3.14 found: install one, or set $env:PYTHON' }

# What is installed in .tools is remembered by a digest over all that it is made from.
$paths = @('pyproject.toml', 'lockfiles/envtool.txt') +
    (Get-ChildItem envtool -Recurse -File | Where-Object FullName -NotMatch '__pycache__' | Sort-Object FullName | ForEach-Object FullName)
$wanted = (($paths | ForEach-Object { (Get-FileHash -Algorithm SHA256 $_).Hash }) + @((& $python --version))) -join "`n"
$state = '.tools/state'
# By python -m and not by the programs beside it, which name the folder that they were made in: a checkout may be moved.
$tools = '.tools/Scripts/python.exe'
if (-not (Test-Path $state) -or (Get-Content -Raw $state) -ne $wanted -or -not (Test-Python $tools)) {
    [Console]::Error.WriteLine("bootstrap: envtool into .tools, with $(& $python --version)")
    & $python -m venv --clear .tools
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap 'cannot create .tools: see above' 6 }
    Remove-Item Env:VIRTUAL_ENV, Env:PYTHONPATH, Env:PYTHONHOME -ErrorAction SilentlyContinue
    & $tools -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r lockfiles/envtool.txt
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap "cannot install envtool's own dependencies: can the package index be reached? A mirror goes into PIP_INDEX_URL" 6 }
    & $tools -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation .
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap 'cannot install envtool from this checkout' 6 }
    Set-Content -NoNewline -Path $state -Value $wanted
}

& $tools -I -m envtool setup --cpu @args
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
if ($args | Where-Object { $_ -in '--help', '-h', '--dry-run', '--in-place' }) { exit 0 }
if ($args -contains '--json') {
    # stdout has one object; what verify finds wrong goes to stderr.
    & $tools -I -m envtool verify --quiet | ForEach-Object { [Console]::Error.WriteLine($_) }
} elseif ($args | Where-Object { $_ -in '--quiet', '-q' }) {
    & $tools -I -m envtool verify --quiet
} else {
    & $tools -I -m envtool verify
}
exit $LASTEXITCODE
