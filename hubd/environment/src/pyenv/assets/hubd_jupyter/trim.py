"""Keeps out, while the server loads, what costs time and memory and does nothing for it.

Everything stays installed and can be imported later, and from notebooks. A name here that a later version no longer
uses does nothing.
"""

import contextlib
import importlib.util
import os
import sys
import types

# jsonschema uses each of these for one string format if it is there. Jupyter's schemas have none of these formats.
FORMATS = {
    "fqdn",
    "isoduration",
    "rfc3339_validator",
    "rfc3986_validator",
    "rfc3987_syntax",
    "uri_template",
    "webcolors",
}
# Loaded when first used: JupyterLab needs it for lists of blocked extensions only.
LAZY = {"requests"}


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name in FORMATS:
            raise ModuleNotFoundError(f"{name} is left out of the server", name=name)
        if name in LAZY:
            LAZY.discard(name)
            spec = importlib.util.find_spec(name)
            if spec and spec.loader:
                spec.loader = importlib.util.LazyLoader(spec.loader)
            return spec
        return None


class _NoManager:
    def __init__(self, *arguments):
        raise NotImplementedError("extensions come with the hub's environment")


@contextlib.contextmanager
def loading():
    """While inside, imports are trimmed."""
    # The manager that installs extensions brings a second HTTP client with its certificates.
    manager = types.ModuleType("jupyterlab.extensions.pypi")
    manager.PyPIExtensionManager = _NoManager
    sys.modules[manager.__name__] = manager
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    # JupyterLab starts node at import when it finds it, to ask for settings used in building extensions. An empty PATH
    # would mean the usual places.
    path = os.environ.get("PATH")
    os.environ["PATH"] = "/nonexistent"
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if path is None:
            del os.environ["PATH"]
        else:
            os.environ["PATH"] = path
