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
    & $Name -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>$null
    return $LASTEXITCODE -eq 0
}

$names = if ($env:PYTHON) { @($env:PYTHON) } else { @('python', 'python3', 'py') }
$python = $names | Where-Object { Test-Python $_ } | Select-Object -First 1
if (-not $python) { Stop-Bootstrap 'no Python 3.10 to 3.14 found: install one, or set $env:PYTHON' }

# What is installed in .tools is remembered by a digest over all that it is made from.
$paths = @('pyproject.toml', 'lockfiles/envtool.txt') +
    (Get-ChildItem envtool -Recurse -File | Where-Object FullName -NotMatch '__pycache__' | Sort-Object FullName | ForEach-Object FullName)
$wanted = (($paths | ForEach-Object { (Get-FileHash -Algorithm SHA256 $_).Hash }) + @((& $python --version))) -join "`n"
$state = '.tools/state'
if (-not (Test-Path $state) -or (Get-Content -Raw $state) -ne $wanted) {
    [Console]::Error.WriteLine("bootstrap: envtool into .tools, with $(& $python --version)")
    & $python -m venv --clear .tools
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap 'cannot create .tools' 6 }
    Remove-Item Env:VIRTUAL_ENV, Env:PYTHONPATH, Env:PYTHONHOME -ErrorAction SilentlyContinue
    & .tools/Scripts/python.exe -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r lockfiles/envtool.txt
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap "cannot install envtool's own dependencies" 6 }
    & .tools/Scripts/python.exe -m pip install --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation .
    if ($LASTEXITCODE -ne 0) { Stop-Bootstrap 'cannot install envtool from this checkout' 6 }
    Set-Content -NoNewline -Path $state -Value $wanted
}

& .tools/Scripts/envtool.exe setup --cpu @args
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
& .tools/Scripts/envtool.exe verify
exit $LASTEXITCODE
