"""Runtime hook: before the app runs, prove that its torch starts, or say in one line why it does not.

Runs inside the frozen app as part of __main__: one name, removed at the end. Standard library and torch only.
"""


def _envtool_start_check() -> None:
    import importlib
    import json
    import os
    import sys
    import time
    import warnings
    from typing import Any

    root = str(vars(sys)["_MEIPASS"])
    folder = os.path.join(root, "envtool_start")
    facts: dict[str, Any] = {"torch": "unknown", "number": None, "on_failure": "exit", "exit_code": 78}
    app = os.path.splitext(os.path.basename(sys.executable))[0]
    only_check = os.environ.get("ENVTOOL_BUNDLE_CHECK") == "1"

    class ProblemError(Exception):
        def __init__(self, check: str, cause: str, remedy: str) -> None:
            super().__init__(cause)
            self.check, self.cause, self.remedy = check, cause, remedy

    again = "Build the app again with: envtool bundle"
    copy = "Copy or install the app again, whole"
    no_source = "the Python source of torch is not in the bundle, and TorchScript needs it"

    def log(problem: ProblemError) -> str | None:
        """Where the log is, or None where none can be written."""
        import platform
        import tempfile
        import traceback

        lines = [
            time.strftime("%Y-%m-%dT%H:%M:%S%z") + f" {app} cannot start: {problem.check}",
            f"cause: {problem.cause}",
            f"remedy: {problem.remedy}",
            f"executable: {sys.executable}",
            f"built with: torch {facts['torch']}, Python {platform.python_version()}, {platform.platform()}",
            *(warnings.formatwarning(*warned[:4]) for warned in held),
            *traceback.format_exception(type(problem), problem, problem.__traceback__),
        ]
        text = "\n".join(line.rstrip("\n") for line in lines) + "\n\n"
        for here in (True, False):
            try:
                place = os.path.dirname(sys.executable) if here else tempfile.gettempdir()
                path = os.path.join(place, f"{app}-start.log")
                with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(text)
            except OSError:
                continue
            return path
        return None

    def refuse(problem: ProblemError) -> None:
        path = log(problem)
        goes_on = facts["on_failure"] == "continue" and problem.check != "re-entry" and not only_check
        verb = "starts without a sound torch" if goes_on else "cannot start"
        line = f"{app}: {verb}: {problem.cause}. {problem.remedy}. " + (
            f"Log: {path}" if path else "No log: no folder can be written"
        )
        if sys.stderr is not None:
            shown = "".join(char if char.isprintable() else " " for char in line)
            print(shown.encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)
        if not goes_on:
            sys.exit(facts["exit_code"])
        os.environ["ENVTOOL_START_FAILED"] = problem.check

    def nested() -> bool:
        """Whether this is a child of the same app; refuse an app that starts itself again and again."""
        now = time.time()
        # Inductor runs sys.executable with a script of its own, or with -c and a library to try.
        marks = ("_inductor", "compile_worker", "cdll.LoadLibrary(")
        worker = any(mark in word for word in sys.argv[1:] for mark in marks)
        try:
            record = json.loads(os.environ.get("ENVTOOL_BUNDLE_STARTS", "{}"))
            before = [float(at) for at in record["at"]] if record.get("app") == sys.executable else []
        except (ValueError, TypeError, LookupError, AttributeError):
            before = []
        recent = [at for at in before if now - at < 60]
        if worker or len(recent) >= 5:
            cause = (
                "torch.compile starts this executable as its compiler"
                if worker
                else "the app starts itself again and again"
            )
            raise ProblemError("re-entry", cause, "torch.compile does not work in a frozen app: leave it out")
        os.environ["ENVTOOL_BUNDLE_STARTS"] = json.dumps({"app": sys.executable, "at": [*recent, now]})
        return bool(recent)

    def environment() -> None:
        value = os.environ.get("PYTORCH_JIT")
        # What torch takes as on; anything else switches TorchScript off or makes import torch fail.
        if value is not None and value.lower() not in ("1", "1v", "true", "yes"):
            cause = f"PYTORCH_JIT={value} is set, and with it TorchScript models cannot be loaded"
            raise ProblemError("environment", cause, "Unset PYTORCH_JIT")

    def read_facts() -> None:
        try:
            with open(os.path.join(folder, "start.json"), encoding="utf-8") as file:
                facts.update(json.load(file))
        except (OSError, ValueError, TypeError) as error:
            cause = f"envtool_start/start.json cannot be read ({type(error).__name__}: {error})"
            raise ProblemError("files", cause, copy) from error

    def files() -> None:
        for name, size in facts.get("files", {}).items():
            path = os.path.join(root, *name.split("/"))
            found = os.path.getsize(path) if os.path.isfile(path) else None
            if found != size:
                cause = f"{name} is missing" if found is None else f"{name} has {found} bytes, not {size}"
                raise ProblemError("files", cause, copy)

    def import_torch() -> Any:
        try:
            import torch
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            if isinstance(error, OSError) and "source" in text[0]:
                raise ProblemError("source", no_source, copy) from error
            cause = f"torch cannot be imported ({type(error).__name__}: {text[0]})"
            raise ProblemError("import", cause, copy) from error
        return torch

    def version(torch: Any) -> None:
        if str(torch.__version__) != facts["torch"]:
            raise ProblemError(
                "version", f"torch is {torch.__version__}, the app was built with {facts['torch']}", again
            )

    def build(torch: Any) -> None:
        import ast

        stated = {"cuda": torch.version.cuda, "hip": getattr(torch.version, "hip", None)}
        path = os.path.join(root, "torch", "version.py")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                for node in ast.parse(file.read()).body:
                    if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant):
                        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                        if isinstance(target, ast.Name) and target.id in stated:
                            stated[target.id] = stated[target.id] or node.value.value
        for name, value in stated.items():
            if value:
                raise ProblemError("cuda", f"this torch is a build for {name} {value}, not for the CPU", again)
        if torch.backends.cuda.is_built():
            raise ProblemError("cuda", "this torch is built with CUDA", again)

    def modules(torch: Any) -> None:
        try:
            importlib.import_module("torch.nn")
            torch.nn.Linear(1, 1)
        except Exception as error:
            raise ProblemError("nn", f"torch.nn does not work ({type(error).__name__}: {error})", again) from error

    def source(torch: Any) -> None:
        import inspect

        try:
            readable = "def relu" in inspect.getsource(torch.nn.functional.relu)
            # Collected beside the bytecode: TorchScript reads these files by name.
            readable = readable and os.path.isfile(os.path.join(root, "torch", "nn", "functional.py"))
        except (OSError, TypeError):
            readable = False
        if not readable:
            raise ProblemError("source", no_source, copy)

    def number(torch: Any) -> None:
        path = os.path.join(folder, "model.pt")
        try:
            model = torch.jit.load(path, map_location="cpu")
        except Exception as error:
            cause = f"torch.jit.load fails ({type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})"
            raise ProblemError("jit-load", cause, copy) from error
        with torch.no_grad():
            found = float(model(torch.ones(1, 3)))
        if found != facts["number"]:
            raise ProblemError("number", f"torch computes {found} where {facts['number']} is right", copy)

    def prove() -> None:
        read_facts()
        is_nested = nested()
        environment()
        if is_nested and not only_check:
            return
        files()
        torch = import_torch()
        for check in (version, build, modules, source, number):
            try:
                check(torch)
            except ProblemError:
                raise
            except Exception as error:
                cause = f"torch does not work ({type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]})"
                raise ProblemError(check.__name__, cause, copy) from error

    # One line is all that a broken app says: what torch warns of meanwhile goes into the log, or is shown afterwards.
    held: list[tuple[Any, ...]] = []
    show = warnings.showwarning
    warnings.showwarning = lambda *warned: held.append(warned)
    try:
        prove()
    except ProblemError as problem:
        refuse(problem)
    finally:
        warnings.showwarning = show
    for warned in held:
        show(*warned)
    if only_check:
        print(f"{app}: start check passed: torch {facts['torch']}", flush=True)
        sys.exit(0)


_envtool_start_check()
del _envtool_start_check
