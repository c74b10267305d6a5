"""How a student's server is set up, and what of it they may change in ~/.jupyter, and the administrator in /etc/jupyter.

`settings.json` has the values. Files are read after `defaults` and before `forced`: each wins over those before it.
"""

import json
import os
import sys
from copy import deepcopy

from jupyter_server.serverapp import ServerApp
from traitlets.config import Application, Config

# JupyterLab's menu entries File > Hub Control Panel and Log Out want the first three.
TORNADO = {"hub_prefix": "{base}/hub/", "hub_host": "", "user": "{user}"}
# The shared environment is read-only, so nothing can be built. Asked on each page load, the server would start node twice to
# find out whether it should be: half a second of processor time.
PAGE = {"buildAvailable": False, "buildCheck": False}


class HubServerApp(ServerApp):
    """Jupyter's server between the hub's defaults and what the hub needs."""

    hub_values = {}

    def load_config_file(self, suppress_errors=True):
        defaults, forced = table(self.hub_values)
        self.update_config(defaults)
        try:
            # JupyterLab reads its own later, but would let what is known by then win: our defaults.
            Application.load_config_file(self, "jupyter_lab_config", path=self.config_file_paths)
        except Exception:
            self.log.warning("the configuration of JupyterLab can't be read", exc_info=True)
        super().load_config_file(suppress_errors)
        for key, reason in overruled(self.config, forced):
            self.log.warning("the setting %s in a configuration file is not used: %s", key, reason)
        needed = Config()
        for key, (value, _) in forced.items():
            section, name = key.split(".")
            needed[section][name] = value
        own = deepcopy(dict(self.config.ServerApp.get("tornado_settings", {})))
        # Our script in the page says so then; once for each start.
        page = {**own.get("page_config_data", {}), **PAGE, "hubPlain": self.hub_values.get("plain") or ""}
        needed.ServerApp.tornado_settings = {**own, **filled(TORNADO, self.hub_values), "page_config_data": page}
        # Nothing of the command line is there; what an extension's own files say comes later and loses against this.
        self.update_config(needed)


def table(values):
    """The defaults, as configuration, and what is forced: values with their reasons."""
    with open(os.path.join(os.path.dirname(__file__), "settings.json"), encoding="utf-8") as stream:
        found = json.load(stream)
    defaults = Config()
    for key, (value, _) in found["defaults"].items():
        if "{layer}" in json.dumps(value) and not values.get("layer"):
            continue
        section, name = key.split(".")
        defaults[section][name] = filled(value, values)
    return defaults, {key: (filled(value, values), reason) for key, (value, reason) in found["forced"].items()}


def filled(value, values):
    """The value with words like `{home}` filled in."""
    if isinstance(value, str):
        for word, text in values.items():
            value = value.replace("{%s}" % word, text or "")
        return value
    if isinstance(value, list):
        return [filled(one, values) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, values) for key, one in value.items()}
    return value


def overruled(config, forced):
    """Which forced settings the files have, with another value, and why they don't count."""
    for key, (value, reason) in forced.items():
        section, name = key.split(".")
        said = config[section].get(name, value) if section in config else value
        if said != value:
            yield key, reason


def values(user, home, socket, base, layer, plain):
    """What is filled into the table."""
    return {
        "user": user,
        "home": home,
        "socket": socket,
        "base": base,
        "layer": layer,
        "plain": plain,
        "prefix": sys.prefix,
        "shell": os.environ["SHELL"],
        "default_url": os.environ.get("HUBD_DEFAULT_URL", "/lab"),
    }
