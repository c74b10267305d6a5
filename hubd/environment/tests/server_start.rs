//! What a student's server leaves out while it loads, with a real Python.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic like the test itself")]

use std::path::Path;
use std::time::Duration;

use hub_system::command::Command;

const PYTHON: &str = "/usr/bin/python3";
const TIMEOUT: Duration = Duration::from_secs(60);

/// What `script` prints, where `trim` is the module and `program()` looks for one as JupyterLab looks for node.
fn printed(script: &str) -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyenv/assets");
    let prelude = format!(
        "import os, shutil, sys\nsys.path.insert(0, {assets:?})\nfrom hubd_jupyter import trim\n\
         def program(): return shutil.which('sh', path=os.environ.get('PATH') or os.defpath)\n"
    );
    let python = Command::new(PYTHON, TIMEOUT).env_clear().env("PATH", "/usr/bin:/bin");
    python.args(["-I", "-B", "-c", &format!("{prelude}{script}")]).run().unwrap().trim_end().to_owned()
}

#[test]
fn no_program_is_found_while_loading_and_all_are_afterwards() {
    let script = "with trim.loading(): print(program())\nprint(program(), os.environ['PATH'])";
    assert_eq!(printed(script), "None\n/usr/bin/sh /usr/bin:/bin");
    let script = "del os.environ['PATH']\nwith trim.loading(): print(program())\nprint('PATH' in os.environ)";
    assert_eq!(printed(script), "None\nFalse");
}

#[test]
fn formats_are_missing_while_loading_only() {
    let script = "
names = []
for name in sorted(trim.FORMATS):
    sys.modules.pop(name, None)
with trim.loading():
    for name in sorted(trim.FORMATS):
        try:
            __import__(name)
        except ImportError as error:
            names.append(name if 'left out of the server' in str(error) else str(error))
print(names == sorted(trim.FORMATS), any(isinstance(finder, trim._Finder) for finder in sys.meta_path))";
    assert_eq!(printed(script), "True False");
}

#[test]
fn a_lazy_module_loads_when_it_is_used() {
    let script = "
trim.LAZY.clear(); trim.LAZY.add('colorsys')
with trim.loading():
    import colorsys
print(type(colorsys).__name__)
print(colorsys.rgb_to_hsv(0, 0, 0), type(colorsys).__name__)";
    assert_eq!(printed(script), "_LazyModule\n(0.0, 0.0, 0) module");
}
