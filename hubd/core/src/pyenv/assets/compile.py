"""Compiles every module below a directory, one process per processor: compileall's own workers take longer than none.

What is no Python of this version (a template, a module for another) is left as it is; a full disk is an error.
"""

import os
import sys
from py_compile import PycInvalidationMode, PyCompileError, compile


def modules(top):
    for directory, _, names in os.walk(top):
        yield from (os.path.join(directory, name) for name in names if name.endswith(".py"))


def compile_all(files):
    for file in files:
        try:
            # Not judged by time stamps, which copies change: nothing in an environment is edited later.
            compile(file, doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        except PyCompileError as error:
            print(f"not compiled: {error.file}: {error.exc_type_name}")


def main(top):
    files = sorted(modules(top), key=os.path.getsize)
    processors = len(os.sched_getaffinity(0))
    children = []
    for number in range(processors):
        child = os.fork()
        if not child:
            compile_all(files[number::processors])
            sys.exit()
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit(1)


main(sys.argv[1])
