"""A program run as `python` itself runs it: its main module found, compiled and executed.

`python` does this in C, or in runpy for modules, folders and zip files. Here it is done from a function, so two things
are put right that would show: the frames below the program's own are taken out of the traceback of its uncaught
exception, and modules that InferScope has imported already do not stand in for files beside the script.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import linecache
import os
import pkgutil
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Literal

from .errors import OptionError

Kind = Literal["script", "module", "code", "stdin"]
# Called with the main module's code, and its text where that is known, as the last thing before it runs.
Begins = Callable[[CodeType, str], None]

_MARKED = sys.version_info < (3, 12)
# What every interpreter has imported before it looks for the script.
_AT_STARTUP = {
    *sys.builtin_module_names,
    *("abc", "codecs", "encodings", "genericpath", "io", "os", "posixpath", "site", "stat", "zipimport"),
    *("_collections_abc", "_sitebuiltins", "sitecustomize", "usercustomize", "__main__"),
}


class Program:
    """What the user would have given to `python`.

    Args:
        kind: What `target` is: a file, folder or zip file, a module's name, or code. "stdin" is code on standard input.
        target: As it was typed.
        arguments: The program's own.

    Attributes:
        name: What the report calls it.
    """

    def __init__(self, kind: Kind, target: str, arguments: Sequence[str]) -> None:
        self._kind = kind
        self._target = target
        self._arguments = list(arguments)
        names = {"script": Path(target).name or target, "module": f"-m {target}", "code": "-c", "stdin": "<stdin>"}
        self.name = names[kind]
        # Of a script: what is in its file, its code, and whether the file held that.
        self._content = b""
        self._plain: CodeType | None = None
        self._compiled = False
        self._path = target if Path(target).is_absolute() else f"{Path.cwd()}/{target}" if kind == "script" else ""

    def check(self) -> None:
        """Look whether there is anything to run; a script that is no Python is left to `python`, to say so.

        Raises:
            OptionError: The file cannot be read.
        """
        if self._kind != "script" or pkgutil.get_importer(self._path) is not None:
            return
        try:
            self._content = Path(self._path).read_bytes()
        except OSError as error:
            raise OptionError(
                f"The script {self._target} cannot be read: {error.strerror or error}.", "See `inferscope run --help`."
            ) from None
        self._plain = pkgutil.read_code(BytesIO(self._content))
        self._compiled = self._plain is not None
        if self._plain is None:
            try:
                self._plain = compile(self._content, self._path, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
                os.execv(sys.executable, [sys.executable, *flags, self._target, *self._arguments])

    def execute(self, begins: Begins) -> None:
        """Run the program to the end of its main module. Raises what that raises, SystemExit included.

        Args:
            begins: Called once there is code to run, on this thread; must not raise but for an interrupt.
        """
        main = _new_main()
        sys.argv[:] = [{"module": "-m", "code": "-c", "stdin": "-"}.get(self._kind, self._target), *self._arguments]
        try:
            if self._kind == "module":
                _set_first_path(str(Path.cwd()))
                _run_module(self._target, True, begins)
            elif self._kind == "script" and pkgutil.get_importer(self._path) is not None:
                _set_first_path(self._path, always=True)
                _run_module("__main__", False, begins)
            else:
                code, text = self._load(main)
                begins(code, text)
                exec(code, main.__dict__)
        except SystemExit:
            raise
        except BaseException:
            _hide_own_frames()
            raise

    def _load(self, main: ModuleType) -> tuple[CodeType, str]:
        """The main module's code and text; fills in what `python` sets in the module."""
        if self._kind == "code":
            _set_first_path("")
            plain = compile(self._target, "<string>", "exec", dont_inherit=True)
            if sys.version_info >= (3, 13):
                with suppress(Exception):  # lets tracebacks show the text; the first releases knew it by the name
                    key = plain if hasattr(linecache, "_interactive_cache") else "<string>"
                    linecache._register_code(key, f"{self._target}\n", "<string>")  # type: ignore[attr-defined]
            return _marked(self._target, plain), self._target
        path = "<stdin>" if self._kind == "stdin" else self._path
        if self._kind == "stdin":
            _set_first_path("")
            self._content = sys.stdin.buffer.read()
        else:
            _set_first_path(str(Path(os.path.realpath(path)).parent))
        machinery = importlib.machinery
        loader = machinery.SourcelessFileLoader if self._compiled else machinery.SourceFileLoader
        main.__dict__.update(__file__=path, __cached__=None, __loader__=loader("__main__", path))
        plain = self._plain or compile(self._content, path, "exec", dont_inherit=True)
        if self._compiled:
            return plain, _text(_bytes_of(plain.co_filename))
        return _marked(self._content, plain), _text(self._content)


def _new_main() -> ModuleType:
    """A fresh `__main__`, with what `python` puts into it."""
    main = ModuleType("__main__")
    main.__loader__ = importlib.machinery.BuiltinImporter
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__dict__["__builtins__"] = builtins
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main


# The module that was `__main__` before: its functions are on the stack below the program.
_kept: list[ModuleType] = []


def _set_first_path(path: str, always: bool = False) -> None:
    """Put the program's own folder where it belongs; that of InferScope's entry has been taken out.

    Args:
        path: The folder.
        always: Also where the interpreter was told to put none there.
    """
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        always = True
    if not always:
        return
    sys.path.insert(0, path)
    if path:
        _uncover(Path(path))


def _uncover(folder: Path) -> None:
    """Forget imported modules in whose place the program would find a file of its own folder."""
    with suppress(OSError):  # a zip file, or gone: then it covers nothing
        names = {entry.name.partition(".")[0] for entry in os.scandir(folder)}
        for name in (names & {name.partition(".")[0] for name in sys.modules}) - _AT_STARTUP:
            origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None) or ""
            found = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
            if found is None or found.origin is None or found.origin == origin:
                continue
            for covered in [one for one in sys.modules if one.partition(".")[0] == name]:
                del sys.modules[covered]


def _run_module(name: str, alter_argv: bool, begins: Begins) -> None:
    """Have runpy do what it does for `python -m`, with a look at the code before it runs."""
    find = runpy._get_module_details  # type: ignore[attr-defined]

    found: list[Any] = []

    def details(*arguments: Any) -> Any:
        answer = find(*arguments)
        if found:  # this package's __main__ was looked for by the same way
            return answer
        found.append(answer)
        runpy._get_module_details = find  # type: ignore[attr-defined]
        module, spec, code = answer
        text: str | None = None
        with suppress(Exception):  # a loader without sources
            text = spec.loader.get_source(module)
        code = _marked(text, code) if text is not None else code
        begins(code, text or "")
        return module, spec, code

    runpy._get_module_details = details  # type: ignore[attr-defined]
    try:
        runpy._run_module_as_main(name, alter_argv)  # type: ignore[attr-defined]
    finally:
        runpy._get_module_details = find  # type: ignore[attr-defined]


def _marked(text: str | bytes, plain: CodeType) -> CodeType:
    if _MARKED:
        with suppress(ImportError):  # then nothing is recorded either
            from . import statements

            return statements.compile_marked(text, plain)
    return plain


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _text(content: bytes) -> str:
    try:
        return importlib.util.decode_source(content)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return content.decode("utf-8", "replace")


def _hide_own_frames() -> None:
    """Have the exception that is about to leave the program be shown without InferScope's frames."""
    hook = getattr(sys, "excepthook", None)
    if hook is not None:
        sys.excepthook = _Shown(hook)


class _Shown:
    """Stands for the program's excepthook for its one call, at the interpreter's end."""

    def __init__(self, hook: Callable[..., Any]) -> None:
        self._hook = hook

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.excepthook = self._hook
        shown = _without_own(traceback)
        error.__traceback__ = sys.last_traceback = shown
        try:
            self._hook(kind, error, shown)
        except SystemExit:
            raise
        except BaseException as failure:
            # As the interpreter does, which would show this frame too.
            below = failure.__traceback__ = failure.__traceback__ and failure.__traceback__.tb_next
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(failure), failure, below)
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(kind, error, shown)


def _without_own(traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback above `Program.execute`, without frames of this file."""
    entries: list[TracebackType] = []
    while traceback is not None:
        if traceback.tb_frame.f_code is Program.execute.__code__:
            entries = []
        elif traceback.tb_frame.f_code.co_filename != __file__:
            entries.append(traceback)
        traceback = traceback.tb_next
    for at, entry in enumerate(entries):
        entry.tb_next = entries[at + 1] if at + 1 < len(entries) else None
    return entries[0] if entries else None
