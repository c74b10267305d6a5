"""Has pages of this server load what is the same for everybody from the hub, which gives it out compressed, and under an address
that is the same for everybody. What only this server has comes from this server."""

import json
import os
import sys

PLACE = os.path.join(sys.prefix, "hubd-shared")


def index(place=PLACE):
    """Names of shared directories, by where they are below the environment; nothing when there are none."""
    try:
        with open(os.path.join(place, "index.json"), encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        print(f"pages load everything from this server: {error}", file=sys.stderr)
        return {}


def with_shared(before, place=PLACE):
    """A hook for page configurations, after the hook `before`."""
    names = index(place)

    def page_config(handler, config):
        if before:
            config = before(handler, config)
        hub = handler.settings["hub_prefix"] + "shared/"
        # Never into `config`: it may be shared by all requests.
        config = dict(config)
        # Where the files of JupyterLab are, or of Notebook: a person may have their own.
        static = getattr(getattr(handler, "extensionapp", None), "static_dir", None)
        name = static and names.get(os.path.relpath(static, os.path.dirname(place)))
        if name:
            config["fullStaticUrl"] = hub + name
        if "fullLabextensionsUrl" in config:
            address = config["fullLabextensionsUrl"]
            config["federated_extensions"] = [moved(one, address, hub) for one in config.get("federated_extensions", [])]
        return config

    def moved(extension, address, hub):
        name = names.get(f"share/jupyter/labextensions/{extension['name']}")
        # A person's own of the same name has another file.
        if not name or not os.path.isfile(os.path.join(place, name, extension["load"])):
            return extension
        # Pages put the address of their own server before this, from which it leads up to the top.
        up = "../" * f"{address}/{extension['name']}".count("/")
        return {**extension, "load": up + hub.lstrip("/") + f"{name}/{extension['load']}"}

    return page_config
