"""Compiles every module below a directory, one process per processor: compileall's own workers take longer than none.

What is no Python of this version (a template, a module for another) gets none, and neither do a package's own tests, which
nobody runs here and which are half of many a package; a full disk is an error. With a second directory, a module that is the
same there, with bytecode, gets none either: sealing takes that, which this script made.
"""

import filecmp
import importlib.util
import os
import sys
from py_compile import PycInvalidationMode, PyCompileError, compile


def modules(top):
    for directory, _, names in os.walk(top):
        yield from (os.path.join(directory, name) for name in names if name.endswith(".py"))


def is_compiled(file, top, previous):
    """Whether `previous` has the same file, with bytecode."""
    before = os.path.join(previous, os.path.relpath(file, top))
    compiled = importlib.util.cache_from_source(before)
    try:
        return os.path.isfile(compiled) and filecmp.cmp(file, before, shallow=False)
    except OSError:
        return False


def compile_all(files, top, previous):
    for file in files:
        bytecode = importlib.util.cache_from_source(file)
        try:
            # What a package brought along may say anything.
            os.unlink(bytecode)
        except FileNotFoundError:
            pass
        if f"{os.sep}tests{os.sep}" in file:
            continue
        if previous and is_compiled(file, top, previous):
            continue
        try:
            # Not judged by time stamps, which copies change: nothing in an environment is edited later.
            compile(file, doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        except PyCompileError as error:
            print(f"not compiled: {error.file}: {error.exc_type_name}")


def main(top, previous=None):
    files = sorted(modules(top), key=os.path.getsize)
    processors = len(os.sched_getaffinity(0))
    children = []
    for number in range(processors):
        child = os.fork()
        if not child:
            compile_all(files[number::processors], top, previous)
            sys.exit()
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit(1)


main(*sys.argv[1:])
