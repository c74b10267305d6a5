//! The build of a conda kernel as data: which programs run in which sandbox. Pure.

use std::path::Path;

use hub_core::packages::Conda;
use serde_json::json;

use super::Channels;
use crate::pyenv::unit::{Places, Step, Upgrade, sources};
use crate::pyenv::{Python, workplace};

/// What the script is asked, and what it answers, among the build's files.
pub(in crate::pyenv) const REQUEST_FILE: &str = "conda-request.json";
/// The records that were found; then, judged and written anew, those to be installed.
pub(in crate::pyenv) const RECORDS_FILE: &str = ".hubd.conda.json";
pub(in crate::pyenv) const SCRIPT_FILE: &str = "conda.py";
pub(in crate::pyenv) const SCRIPT: &str = include_str!("../assets/conda.py");

/// What the solver is asked. `installed` is a generation whose versions stay where they can.
pub(in crate::pyenv) fn request(conda: &Conda, channels: &Channels<'_>, installed: Option<&Path>, upgrade: &Upgrade) -> String {
    let upgrade = match upgrade {
        Upgrade::Nothing => json!([]),
        Upgrade::Everything => json!("everything"),
        Upgrade::Packages(names) => json!(names),
    };
    let specs: Vec<String> = conda.specs.iter().map(|spec| channels.resolved(spec)).collect();
    json!({"channels": channels.addresses(conda), "specs": specs, "installed": installed, "upgrade": upgrade}).to_string()
}

/// Finds out which packages go together.
pub(in crate::pyenv) fn solving(places: &Places<'_>, python: &Path, tool: &Path) -> Step {
    let files = [places.input.join(REQUEST_FILE), places.environment.join(RECORDS_FILE)];
    script(
        "finding conda packages that fit together",
        places,
        python,
        tool,
        "solve",
        &files.each_ref().map(|file| file.as_path()),
    )
}

/// Downloads the archives of what is locked, and calls each by its hash.
pub(in crate::pyenv) fn downloading(places: &Places<'_>, python: &Path, tool: &Path) -> Step {
    let (lock, fetched) = (places.input.join(RECORDS_FILE), places.environment.join(workplace::FETCHED));
    script("downloading conda packages", places, python, tool, "download", &[&lock, &fetched])
}

/// Downloads and puts in place exactly what is locked.
pub(in crate::pyenv) fn installing(places: &Places<'_>, python: &Path, tool: &Path) -> Step {
    let lock = places.input.join(RECORDS_FILE);
    script("downloading and installing the conda packages", places, python, tool, "install", &[&lock, places.environment])
}

fn script(title: &str, places: &Places<'_>, python: &Path, tool: &Path, verb: &str, files: &[&Path]) -> Step {
    let text = |path: &Path| path.display().to_string();
    let mut arguments = vec![text(python), "-I".to_owned(), text(&places.input.join(SCRIPT_FILE)), text(tool), verb.to_owned()];
    arguments.extend(files.iter().map(|file| text(file)));
    arguments.push(text(&places.environment.join(workplace::CACHE).join("conda")));
    Step { title: title.to_owned(), network: true, arguments }
}

/// Adds the packages of the index to what conda installed.
pub(in crate::pyenv) fn adding_packages(places: &Places<'_>) -> Step {
    let wheels = format!("--find-links={}", places.input.join("wheels").display());
    let list = format!("--requirements={}", places.input.join("requirements.txt").display());
    let arguments = ["install", "--no-deps", "--require-hashes", &wheels, &list];
    let mut step = uv("downloading and installing the packages of the index", places, true, &arguments);
    step.arguments.extend(sources(places));
    step
}

/// Looks whether all packages go together.
pub(in crate::pyenv) fn checking_packages(places: &Places<'_>) -> Step {
    uv("checking that all packages fit together", places, false, &["check"])
}

fn uv(title: &str, places: &Places<'_>, network: bool, arguments: &[&str]) -> Step {
    let python = format!("--python={}", places.environment.join("bin/python").display());
    let uv = places.uv.display().to_string();
    let arguments = [uv.as_str(), "pip"].into_iter().chain(arguments.iter().copied()).chain([python.as_str()]);
    Step { title: title.to_owned(), network, arguments: arguments.map(str::to_owned).collect() }
}

/// Compiles what is written in Python, by the environment's own. `previous` is a generation with the same one.
pub(in crate::pyenv) fn compiling(places: &Places<'_>, python: &Python, previous: Option<&Path>) -> Step {
    let library = |prefix: &Path| prefix.join("lib").join(python.directory()).display().to_string();
    let mut arguments: Vec<String> = ["/usr/bin/env".to_owned()].into();
    // It does not exist outside the sandbox, where systemd-run looks.
    arguments.push(python.interpreter.display().to_string());
    arguments.extend(["-I", "-W", "ignore"].map(str::to_owned));
    arguments.push(places.input.join("compile.py").display().to_string());
    arguments.push(library(places.environment));
    arguments.extend(previous.map(library));
    Step { title: "compiling".to_owned(), network: false, arguments }
}

#[cfg(test)]
mod tests {
    use hub_core::packages::DEFAULT_ALIAS;

    use super::*;

    #[test]
    fn packages_are_told_by_file_and_never_as_arguments() {
        let (input, environment) = (Path::new("/k/1.input"), Path::new("/k/1"));
        let (bundle, service, beside) = (None, None, None);
        let uv = Path::new("/uv");
        let denied = hub_core::config::Denied::default();
        let places = Places { input, environment, uv, service, bundle, is_bundle_only: false, is_local: false, denied, beside };
        let python = Path::new("/usr/bin/python3");
        let step = solving(&places, python, Path::new("/tools/x"));
        assert_eq!(
            step.arguments.join(" "),
            "/usr/bin/python3 -I /k/1.input/conda.py /tools/x solve /k/1.input/conda-request.json /k/1/.hubd.conda.json \
             /k/1/.cache/conda"
        );
        let step = installing(&places, python, Path::new("/tools/x"));
        assert!(step.arguments.join(" ").ends_with("install /k/1.input/.hubd.conda.json /k/1 /k/1/.cache/conda"));
        let conda = Conda { specs: vec!["own::a=1".parse().unwrap()], channels: Vec::new() };
        let channels = Channels { usual: &[], alias: DEFAULT_ALIAS, bundle: None };
        let text = request(&conda, &channels, None, &Upgrade::Packages(vec!["a".to_owned()]));
        assert_eq!(
            text,
            r#"{"channels":["https://conda.anaconda.org/own"],"installed":null,"specs":["https://conda.anaconda.org/own::a=1"],"upgrade":["a"]}"#
        );
    }

    #[test]
    fn no_script_of_a_package_is_run() {
        assert!(SCRIPT.contains("execute_link_scripts=False") && !SCRIPT.contains("execute_link_scripts=True"));
    }
}
