"""A student's own layer: a small virtual environment in their home, above the shared environment.

What students install lands there and comes first on their path; everything shared shows through below it. The server itself
never uses it, so nothing they install can keep it from starting.
"""

import os
import sys

SHARED = os.path.dirname(os.path.abspath(__file__))


def path(home):
    """One layer per Python minor version, since compiled packages fit no other."""
    return os.path.join(home, ".local", "share", "hubd", "python{}.{}".format(*sys.version_info))


def ensure(home):
    """Makes the layer, or mends the few files of it that are ours; returns its path."""
    layer = path(home)
    minor = "python{}.{}".format(*sys.version_info)
    python = os.path.realpath(sys.executable)
    packages = os.path.join(layer, "lib", minor, "site-packages")
    os.makedirs(packages, exist_ok=True)
    os.makedirs(os.path.join(layer, "bin"), exist_ok=True)
    # Python reads `False` without regard to case and keeps the distribution's packages out. pip looks for the lower-case
    # word, and finding it would refuse `--user`, which here means the same place as a plain install.
    _write(
        os.path.join(layer, "pyvenv.cfg"),
        f"home = {os.path.dirname(python)}\ninclude-system-site-packages = False\n"
        "version = {}.{}.{}\n".format(*sys.version_info),
    )
    _write(os.path.join(packages, "hubd.pth"), f"{SHARED}\nimport hubd_layer; hubd_layer.activate()\n")
    for name in ("python", "python3", minor):
        _link(os.path.join(layer, "bin", name), python)
    return layer


def activate():
    """Runs at each start of the layer's Python, from `hubd.pth`."""
    import site

    # The shared packages' own `.pth` files count as if they were installed here.
    site.addsitedir(SHARED)
    # pip hides what is listed here while it builds a package.
    shared_prefix = os.path.dirname(os.path.dirname(os.path.dirname(SHARED)))
    if shared_prefix not in site.PREFIXES:
        site.PREFIXES.append(shared_prefix)
    # `pip install --user` means the layer as well, not ~/.local, which Pythons outside the hub read.
    os.environ["PYTHONUSERBASE"] = sys.prefix
    site.ENABLE_USER_SITE = True


def _write(file, text):
    try:
        with open(file) as stream:
            if stream.read() == text:
                return
    except (OSError, ValueError):
        pass
    temporary = f"{file}.{os.getpid()}"
    with open(temporary, "w") as stream:
        stream.write(text)
    os.replace(temporary, file)


def _link(link, target):
    try:
        if os.readlink(link) == target:
            return
    except OSError:
        pass
    temporary = f"{link}.{os.getpid()}"
    os.symlink(target, temporary)
    os.replace(temporary, link)
