//! A student's layer of packages above the shared environment, with a real Python.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic like the test itself")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hub_environment::pyenv::Python;
use hub_system::command::Command;

const PYTHON: &str = "/usr/bin/python3";
const TIMEOUT: Duration = Duration::from_secs(60);

/// A home, and a shared environment that holds the layer's code and two modules.
struct Machine {
    root: tempfile::TempDir,
    shared: PathBuf,
    minor: String,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let minor = Python::probe(Path::new(PYTHON)).unwrap().directory();
        let shared = root.path().join("env/lib").join(&minor).join("site-packages");
        std::fs::create_dir_all(&shared).unwrap();
        let code = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyenv/assets/hubd_layer.py");
        std::fs::copy(code, shared.join("hubd_layer.py")).unwrap();
        std::fs::write(shared.join("common.py"), "origin = 'shared'").unwrap();
        std::fs::write(shared.join("upgraded.py"), "origin = 'shared'").unwrap();
        Self { root, shared, minor }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// What the server does at each start.
    fn ensure(&self) -> PathBuf {
        let script = "import sys; sys.path.insert(0, sys.argv[1]); import hubd_layer; print(hubd_layer.ensure(sys.argv[2]))";
        let arguments = ["-I", "-B", "-c", script].map(str::to_owned);
        let places = [&self.shared, &self.home()].map(|path| path.to_str().unwrap().to_owned());
        let printed = Command::new(PYTHON, TIMEOUT).args(arguments).args(places).run().unwrap();
        printed.trim_end().into()
    }

    fn packages(&self, layer: &Path) -> PathBuf {
        layer.join("lib").join(&self.minor).join("site-packages")
    }
}

/// What `expression` is for the layer's Python.
fn evaluate(layer: &Path, expression: &str) -> String {
    let script = format!("import os, site, sys, common, upgraded; print(({expression}))");
    let python = Command::new(layer.join("bin/python"), TIMEOUT).env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
    python.args(["-c", &script]).run().unwrap().trim_end().to_owned()
}

#[test]
fn her_own_packages_come_first_and_the_shared_ones_show_through() {
    let machine = Machine::new();
    let layer = machine.ensure();
    assert_eq!(layer, machine.home().join(".local/share/hubd").join(&machine.minor));
    std::fs::write(machine.packages(&layer).join("upgraded.py"), "origin = 'own'").unwrap();
    assert_eq!(evaluate(&layer, "common.origin, upgraded.origin"), "('shared', 'own')");
}

#[test]
fn packages_of_the_distribution_stay_out() {
    let machine = Machine::new();
    let layer = machine.ensure();
    assert_eq!(evaluate(&layer, "[path for path in sys.path if 'dist-packages' in path]"), "[]");
}

#[test]
fn a_user_install_means_the_layer() {
    let machine = Machine::new();
    let layer = machine.ensure();
    let answer = evaluate(&layer, "site.ENABLE_USER_SITE, site.getusersitepackages(), os.environ['PYTHONUSERBASE']");
    let packages = machine.packages(&layer);
    assert_eq!(answer, format!("(True, '{}', '{}')", packages.display(), layer.display()));
}

#[test]
fn what_is_ours_in_it_is_mended_and_what_is_hers_is_left() {
    let machine = Machine::new();
    let layer = machine.ensure();
    let packages = machine.packages(&layer);
    std::fs::write(packages.join("upgraded.py"), "origin = 'own'").unwrap();
    std::fs::write(packages.join("hubd.pth"), "nonsense").unwrap();
    std::fs::remove_file(layer.join("bin/python")).unwrap();
    std::os::unix::fs::symlink("/nonexistent/python", layer.join("bin/python")).unwrap();
    std::fs::remove_file(layer.join("pyvenv.cfg")).unwrap();
    machine.ensure();
    assert_eq!(evaluate(&layer, "common.origin, upgraded.origin"), "('shared', 'own')");
}

#[test]
fn a_second_start_writes_nothing() {
    let machine = Machine::new();
    let layer = machine.ensure();
    let seen = |name: &str| layer.join(name).symlink_metadata().unwrap().modified().unwrap();
    let before = ["pyvenv.cfg", "bin", "bin/python"].map(seen);
    machine.ensure();
    assert_eq!(["pyvenv.cfg", "bin", "bin/python"].map(seen), before);
}
