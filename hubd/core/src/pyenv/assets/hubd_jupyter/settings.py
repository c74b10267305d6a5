"""How a student's server is set up: what she may change in ~/.jupyter (and the administrator in /etc/jupyter), and what not."""

import os
import sys

from traitlets.config import Config

from .kernels import Kernel, KernelSpecs


def defaults(home, layer):
    """Read first, so every configuration file wins over it."""
    c = Config()
    c.ServerApp.root_dir = home
    c.LabApp.default_url = os.environ.get("HUBD_DEFAULT_URL", "/lab")
    c.ServerApp.quit_button = False  # the hub stops servers
    c.ServerApp.kernel_spec_manager_class = KernelSpecs
    # Not a login shell: that would set PATH anew and lose the environment.
    c.ServerApp.terminado_settings = {"shell_command": [os.environ["SHELL"]]}
    # Serves configuration of the classic notebook (version 6); it takes 40 ms to find that there is none.
    c.ServerApp.jpserver_extensions = {"notebook_shim": False}
    c.MultiKernelManager.kernel_manager_class = f"{Kernel.__module__}.{Kernel.__name__}"
    c.LabApp.extension_manager = "readonly"
    c.LabApp.news_url = None
    c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
    if layer:
        # Widgets and the like that a student installs bring files for the browser.
        c.LabServerApp.extra_labextensions_path = [os.path.join(layer, "share", "jupyter", "labextensions")]
    # The usual places; left to itself it starts node at each start of the server to ask for them.
    c.LanguageServerManager.node_roots = [home, os.path.join(sys.prefix, "lib"), "/usr/local/lib", "/usr/lib"]
    # Would measure every process of the student once a second, for a page nobody reads.
    c.ResourceUseDisplay.enable_prometheus_metrics = False
    c.ResourceUseDisplay.disk_path = home
    return c


def guards(user, socket, base):
    """Command-line arguments: no configuration file wins over them."""
    tornado_settings = {
        # File > Hub Control Panel and Log Out; JupyterLab wants all three.
        "hub_prefix": f"{base}/hub/",
        "hub_host": "",
        "user": user,
        # The shared environment is read-only, so nothing can be built. Asked on each page load, the server would start
        # node twice to find out whether it should be: half a second of processor time.
        "page_config_data": {"buildAvailable": False, "buildCheck": False},
    }
    return [
        "--ServerApp.identity_provider_class=hubd_jupyter.identity.HubIdentity",
        f"--ServerApp.sock={socket}",
        "--ServerApp.sock_mode=0660",
        "--ServerApp.port=8888",  # the default: any other port and a socket exclude each other
        f"--ServerApp.base_url={base}/user/{user}/",
        f"--ServerApp.tornado_settings={tornado_settings!r}",
        # Any host name is right: the hub has looked at it. Origin is still compared with it.
        "--ServerApp.allow_remote_access=True",
        "--ServerApp.trust_xheaders=True",
        "--ServerApp.allow_origin=",
        "--ServerApp.allow_origin_pat=",
        "--ServerApp.disable_check_xsrf=False",
        "--ServerApp.allow_unauthenticated_access=False",
        "--ServerApp.open_browser=False",
    ]
