"""Small programs, by name: `test_conformance.py` runs each under `python` and under `inferscope run`."""

from __future__ import annotations

PROGRAMS: dict[str, str | bytes] = {
    "nothing": "",
    "globals": """\
print(list(globals()), __name__, __file__, __spec__, type(__loader__), __builtins__, __doc__)
""",
    "docstring and annotations": '"""What it is."""\nx: int = 1\nprint(__doc__, __annotations__)',
    "arguments and path": "import sys; print(sys.argv, sys.path, sys.flags)",
    "future": """\
from __future__ import annotations
def f(x: nothing): pass
print(f.__annotations__)
""",
    "main": """\
def main(): print('main')
if __name__ == '__main__':
    main()
""",
    "uncaught": """\
def f(x):
    return 1 / x

print('before')
f(0)
""",
    "uncaught chain": """\
try:
    {}['a']
except KeyError as e:
    raise ValueError('b') from e
""",
    "uncaught in a handler": """\
try:
    1 / 0
except ZeroDivisionError:
    [][1]
""",
    "uncaught of its own class": """\
class Mine(Exception):
    pass
raise Mine('text', 3)
""",
    "uncaught with a note": """\
e = ValueError('x')
if hasattr(e, 'add_note'): e.add_note('more')
raise e
""",
    "uncaught BaseException": "raise GeneratorExit('x')",
    "uncaught in a loop": """\
for i in range(3):
    if i == 2:
        raise RuntimeError(i)
    print(i)
""",
    "uncaught from a library": """\
import json
json.loads('{')
""",
    "syntax": """\
print(1)
x = = 2
""",
    "indentation": """\
if 1:
print(2)
""",
    "null byte": "x = 1\x00",
    "bad encoding": b"x = '\xff'\n",
    "exit": "import sys; print('a'); sys.exit()",
    "exit 0": "import sys; sys.exit(0)",
    "exit 3": "import sys; sys.exit(3)",
    "exit 256": "import sys; sys.exit(256)",
    "exit with a text": "import sys; sys.exit('what went wrong')",
    "exit with an object": "import sys; sys.exit([1, 2])",
    "exit True": "import sys; sys.exit(True)",
    "exit in a function": """\
import sys
def f(): sys.exit(4)
f()
""",
    "exit in a thread": """\
import sys, threading
t = threading.Thread(target=sys.exit, args=(5,))
t.start(); t.join()
print(1)
""",
    "exit by the builtin": "exit(6)",
    "exit in finally": """\
import sys
try:
    1 / 0
finally:
    sys.exit(7)
""",
    "os._exit": "import os, sys; print('a', flush=True); os._exit(7)",
    "abort": """\
import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()
""",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": """\
import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('no')
""",
    "hung up": """\
import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('no')
""",
    "interrupted": """\
import os, signal; os.kill(os.getpid(), signal.SIGINT); print('no')
""",
    "interrupt caught": """\
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    import time; time.sleep(9)
except KeyboardInterrupt:
    print('caught')
""",
    "handler of SIGTERM": """\
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(8))
os.kill(os.getpid(), signal.SIGTERM)
import time; time.sleep(9)
""",
    "SIGTERM ignored": """\
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGTERM)
print('here')
""",
    "SIGUSR1": """\
import os, signal; os.kill(os.getpid(), signal.SIGUSR1); print('no')
""",
    "atexit": """\
import atexit
atexit.register(print, 1)
atexit.register(print, 2)
print(0)
""",
    "atexit after an error": """\
import atexit
atexit.register(print, 1)
1 / 0
""",
    "error in atexit": """\
import atexit
atexit.register(lambda: 1 / 0)
atexit.register(print, 1)
""",
    "exit in atexit": """\
import atexit, sys
atexit.register(lambda: sys.exit(3))
""",
    "daemon thread": """\
import threading, time
threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
print(1)
""",
    "thread that goes on": """\
import threading
ready = threading.Event()
def f():
    ready.wait()
    print('thread')
threading.Thread(target=f).start()
print('main')
ready.set()
""",
    "error in a thread": """\
import threading
t = threading.Thread(target=lambda: 1 / 0, name='worker')
t.start(); t.join()
""",
    "pool at the end": """\
from concurrent.futures import ThreadPoolExecutor
p = ThreadPoolExecutor(2)
p.submit(print, 'pooled')
""",
    "hook": """\
import sys
sys.excepthook = lambda kind, error, tb: print(kind, error, tb.tb_lineno, tb.tb_next)
1 / 0
""",
    "hook that fails": """\
import sys
def hook(*_):
    raise ValueError('hook')
sys.excepthook = hook
1 / 0
""",
    "hook that exits": """\
import sys
def hook(*_):
    sys.exit(9)
sys.excepthook = hook
1 / 0
""",
    "last traceback": """\
import atexit, sys, traceback
atexit.register(lambda: print(sys.last_type, sys.last_value, traceback.format_tb(sys.last_traceback)))
1 / 0
""",
    "traceback of its own": """\
import traceback
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
""",
    "warnings": """\
import warnings
warnings.warn('u')
warnings.warn('d', DeprecationWarning)
warnings.warn('p', PendingDeprecationWarning)
""",
    "invalid escape": "print(len('\\d'))",
    "input": """\
print(input('name? ')); import sys; print(repr(sys.stdin.read()))
""",
    "encoding": b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))",
    "bom": b"\xef\xbb\xbfprint('bom')\n",
    "carriage returns": b"print(1)\r\nx = '''a\r\nb'''\r\nprint(repr(x))\r\n1/0\r\n",
    "form feed": "print(1)\n\x0c\nprint(2)",
    "output at the end": """\
class Last:
    def __del__(self): print('gone')
last = Last()
""",
    "standard output closed": "import sys; sys.stdout.close()",
    "standard error closed": "import os; os.close(2); 1 / 0",
    "descriptors": """\
import os; print(os.get_inheritable(1), os.isatty(0), os.fstat(0).st_mode)
""",
    "source": """\
import inspect
def f():
    return 1
print(inspect.getsource(f), inspect.getfile(f))
""",
    "pickle": """\
import pickle
class C:
    x = 1
print(pickle.loads(pickle.dumps(C())).x, C.__module__)
""",
    "main is imported": """\
import sys, __main__
print(__main__ is sys.modules['__main__'], vars(__main__) is globals())
""",
    "sibling": "import sibling; print(sibling.x, sibling.__file__)",
    "shadowed": "import secrets; print(secrets.mine)",
    "shadowed package": "import json.mine; print(json.mine.x)",
    "recursion": """\
def f(n): return n and 1 + f(n - 1)
print(f(900))
""",
    "class with closure": """\
def make():
    k = 2
    class C:
        def f(self): return k
    return C
print(make()().f())
""",
    "exec and eval": """\
x = 1
exec('y = x + 1')
print(eval('y'), locals() is globals())
""",
    "star import": """\
if True:
    from os.path import *
print(join('a', 'b'))
""",
    "deleted name": """\
x = 1
del x
try:
    x
except NameError as e:
    print(e)
""",
    "match": """\
match [1, 2]:
    case [a, b]:
        print(a, b)
""",
    "trace": """\
import sys
seen = []
sys.settrace(lambda f, e, a: seen.append(f.f_code.co_name))
def f(): pass
f()
sys.settrace(None)
print(seen)
""",
    "working directory": """\
import os
os.chdir('/')
print(os.getcwd(), __file__)
""",
    "asyncio": """\
import asyncio
async def f():
    await asyncio.sleep(0)
    return 3
print(asyncio.run(f()))
""",
    "asyncio interrupted": """\
import asyncio, os, signal
async def f():
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(9)
try:
    asyncio.run(f())
except KeyboardInterrupt:
    print('caught')
""",
    "subprocess": """\
import subprocess, sys
print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv, sys.path)'], capture_output=True, text=True))
""",
    "fork": """\
import os, sys
pid = os.fork()
if pid == 0:
    print('child', flush=True)
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "fork that fails": """\
import os, sys
if os.fork() == 0:
    1 / 0
print(os.waitstatus_to_exitcode(os.wait()[1]))
""",
    "child is terminated": """\
import os, signal, time
pid = os.fork()
if pid == 0:
    time.sleep(99)
os.kill(pid, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "replaced": """\
import os, sys
sys.stdout.flush()
os.execv(sys.executable, [sys.executable, '-c', 'print(5)'])
""",
    "multiprocessing fork": """\
import multiprocessing as m
def f(x): return x * x
if __name__ == '__main__':
    with m.get_context('fork').Pool(2) as p: print(p.map(f, [1, 2, 3]))
""",
    "multiprocessing spawn": """\
import multiprocessing as m
def f(x): return x * x, __name__
if __name__ == '__main__':
    with m.get_context('spawn').Pool(2) as p: print(p.map(f, [1, 2, 3]))
""",
    "multiprocessing forkserver": """\
import multiprocessing as m
class C:
    x = 4
def f(c): return c.x
if __name__ == '__main__':
    with m.get_context('forkserver').Pool(1) as p: print(p.map(f, [C()]))
""",
    "process pool": """\
from concurrent.futures import ProcessPoolExecutor
def f(x): return x + 1
if __name__ == '__main__':
    with ProcessPoolExecutor(2) as p: print(list(p.map(f, range(3))))
""",
    "runpy": """\
import runpy; print(runpy.run_path('sibling.py', run_name='other')['x'], runpy.run_module('sibling')['x'])
""",
    "main of a child": """\
import multiprocessing as m, sys
def f(): print(sys.modules['__main__'].__name__, flush=True)
if __name__ == '__main__':
    p = m.get_context('spawn').Process(target=f); p.start(); p.join(); print(p.exitcode)
""",
}
