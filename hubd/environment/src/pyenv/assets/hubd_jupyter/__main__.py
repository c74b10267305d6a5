"""Starts the server. The order matters here: each tenth of a second is paid once per student at the start of a class."""

import gc

# Loading makes next to no garbage, and looking for it takes a tenth of the time.
gc.disable()

import json
import os
import sys
import warnings

import hubd_layer

from . import trim


def environment(home):
    """Sets what kernels and terminals inherit; returns the student's layer, or None when their home can't hold one, and a name for
    this start if it leaves out what is their own."""
    env = os.environ
    for name, value in network().items():
        env.setdefault(name, value)
    prefixes = []
    layer = None
    plain = env.pop("HUBD_PLAIN", None)
    if plain:
        # Neither packages nor settings of their own: whatever in them kept them from working is still there, but not used.
        print("started without own packages and settings; they are back with the next start", file=sys.stderr)
        own = os.path.join(runtime_directory(), "plain")
        env["JUPYTER_CONFIG_DIR"], env["IPYTHONDIR"] = os.path.join(own, "jupyter"), os.path.join(own, "ipython")
        env["PYTHONNOUSERSITE"] = "1"
        env["R_LIBS_USER"] = "NULL"
    else:
        env["R_PROFILE"] = os.path.join(sys.prefix, "share", "hubd", "Rprofile")
        try:
            layer = hubd_layer.ensure(home)
            env["HUBD_LAYER"] = env["VIRTUAL_ENV"] = layer
            prefixes.append(layer)
        except OSError as error:
            print(f"own packages are off: {error}; pip will not work until the server is started again", file=sys.stderr)
    prefixes.append(sys.prefix)
    paths = [os.path.join(prefix, "bin") for prefix in prefixes]
    if not plain:
        paths.insert(1, os.path.join(home, ".local", "bin"))
    env["PATH"] = os.pathsep.join(paths + [env.get("PATH") or "/usr/local/bin:/usr/bin:/bin"])
    # Shared first: the kernel `python3` stays ours when a student installs another ipykernel. Then the hub's other kernels.
    shared, *own = [os.path.join(prefix, "share", "jupyter") for prefix in reversed(prefixes)]
    env["JUPYTER_PATH"] = os.pathsep.join(filter(None, [shared, env.pop("HUBD_JUPYTER", None), *own]))
    env["JUPYTER_RUNTIME_DIR"] = runtime_directory()
    name_repositories(env)
    env["SHELL"] = "/bin/bash"  # the account's own shell refuses logins
    env.setdefault("LANG", "C.UTF-8")
    env.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    env.setdefault("UV_SYSTEM_CERTS", "true")  # as pip does
    return layer, plain and env.get("INVOCATION_ID", plain)


def name_repositories(env):
    """From now on git is told by `bin/git` which repositories in the class folder can be cloned, besides what the machine says."""
    env["GIT_CONFIG_SYSTEM"] = os.path.join(env["JUPYTER_RUNTIME_DIR"], "gitconfig")
    try:
        with open(env["GIT_CONFIG_SYSTEM"], "w") as stream:
            stream.write("[include]\n\tpath = /etc/gitconfig\n")
    except OSError as error:
        del env["GIT_CONFIG_SYSTEM"]
        print(f"git can't clone from the class folder: {error}", file=sys.stderr)


def network():
    """The administrator's mirrors, proxies and certificates, as variables."""
    try:
        with open(os.path.join(os.environ["HUBD_SHARE"], "network.json")) as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        print(f"network settings are not used: {error}", file=sys.stderr)
        return {}


def runtime_directory():
    """A short path: names of sockets end at 107 bytes, and those of kernels have 50 of their own."""
    path = "/tmp/hubd-jupyter"
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        if found.st_uid != os.getuid() or found.st_mode & 0o170077 != 0o040000:
            import tempfile

            path = tempfile.mkdtemp(prefix="hubd-jupyter-")
    return path


def main():
    home = os.environ["HOME"]
    user, socket = os.environ["HUBD_USER"], os.environ["HUBD_SOCKET"]
    layer, plain = environment(home)
    with trim.loading():
        from jupyter_server.utils import JupyterServerAuthWarning
        from jupyterlab.labapp import LabApp

        from . import page, settings, shared, smaller
    # Names pages of extensions that rely on the guard for all pages, which is on.
    warnings.filterwarnings("ignore", category=JupyterServerAuthWarning)
    settings.HubServerApp.hub_values = settings.values(user, home, socket, os.environ.get("HUBD_BASE", ""), layer, plain)
    LabApp.serverapp_class = settings.HubServerApp
    server = LabApp.initialize_server()
    pages = server.web_app.settings
    pages["page_config_hook"] = page.with_key(shared.with_shared(pages.get("page_config_hook")))
    server.web_app.add_transform(smaller.transform(server.base_url))
    # What is loaded now stays; later collections need not look at it.
    gc.freeze()
    gc.enable()
    server.start()


if __name__ == "__main__":
    main()
