"""`%inferscope` and `%%inferscope`, and what loading the extension registers."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from . import cell as cell_module
from .cell import Profiler
from .comparison import asks_to_compare
from .options import help_text
from .transform import asks_for_help, transform

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class InferScopeMagics(Magics):
    """The magics, for where the input transformer does not see them."""

    def __init__(self, shell: InteractiveShell, profiler: Profiler) -> None:
        super().__init__(shell)
        self._profiler = profiler

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def inferscope(self, line: str, cell: str | None = None) -> None:
        """Profile a cell and show below it why it took the time it took.

        `%%inferscope [options]` on the first line profiles the cell, and so
        does `%inferscope [options]`. `%inferscope` on its own shows what can be
        collected here and how to see more. `%inferscope --compare` shows what
        changed between the last two runs of a cell. `%%inferscope --help` lists
        the options.
        """
        if asks_for_help(line):
            print(help_text(), end="")
        elif cell is not None:
            with self._profiler.running(cell):
                _run(self.shell, f"%%inferscope {line}\n{cell}")
        elif asks_to_compare(line):
            self._profiler.compare(line)
        elif line.strip():
            raise UsageError("%inferscope: Options go on the first line of a cell, above its code.")
        else:
            print(self._profiler.status())


class Extension:
    """Everything that `%load_ext inferscope` adds to a shell.

    Attributes:
        shell: The shell it adds to.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._profiler = Profiler(shell)
        self._events: list[tuple[str, Callable[..., Any]]] = [
            ("pre_run_cell", self._profiler.pre_run_cell),
            ("post_run_cell", self._profiler.post_run_cell),
        ]

    def load(self) -> None:
        """Register the transformer, the events and the magics; start the sidecar in the background."""
        shell = self.shell
        shell.input_transformers_cleanup.append(_transformer)
        for name, callback in self._events:
            shell.events.register(name, callback)
        shell.register_magics(InferScopeMagics(shell, self._profiler))
        cell_module.install(self._profiler)
        self._profiler.start()

    def unload(self) -> None:
        """Take back what `load` did, and end the sidecar."""
        shell = self.shell
        cell_module.install(None)
        self._profiler.close()
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("inferscope", None)
        shell.magics_manager.registry.pop(InferScopeMagics.__name__, None)
        for name, callback in self._events:
            shell.events.unregister(name, callback)
        while _transformer in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(_transformer)


def load(shell: InteractiveShell) -> None:
    """Load the extension into a shell; harmless when it is loaded."""
    global _loaded
    if _loaded is not None and _loaded.shell is shell:
        return
    unload()
    _loaded = Extension(shell)
    _loaded.load()


def unload() -> None:
    """Unload the extension from the shell it is in; harmless when there is none."""
    global _loaded
    loaded, _loaded = _loaded, None
    if loaded is not None:
        loaded.unload()


_loaded: Extension | None = None


def _transformer(lines: list[str]) -> list[str]:
    return transform(lines)


# IPython leaves such a transformer out where it only asks whether the text is
# complete; there the magic's own rule, "until an empty line", is the right one.
_transformer.has_side_effects = True  # type: ignore[attr-defined]


def _run(shell: InteractiveShell, text: str) -> None:
    """Run a cell's text as the cell it stands in, statement by statement as IPython does.

    Unlike a nested `run_cell`, an exception goes on to the caller and is shown
    once. What cannot be here is top-level `await`: a magic cannot wait for the
    loop it is called from.
    """
    source = shell.transform_cell(text)
    name = shell.compile.cache(source, shell.execution_count, raw_code=text)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    if not tree.body:
        return
    *statements, final = tree.body
    for statement in statements:
        _execute(shell, shell.compile(ast.Module([statement], []), name, "exec"))
    if isinstance(final, ast.Expr):
        _execute(shell, shell.compile(ast.Interactive([final]), name, "single"))
    else:
        _execute(shell, shell.compile(ast.Module([final], []), name, "exec"))


def _execute(shell: InteractiveShell, code: Any) -> None:
    exec(code, shell.user_global_ns, shell.user_ns)
