//! Which program of a conda environment is its kernel, as the environment itself says. Only sealed files are read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use hub_core::packages::KernelName;

/// Where packages put what Jupyter reads about kernels.
const PLACE: &str = "share/jupyter/kernels";
/// The one that ipykernel brings.
const PYTHON: &str = "python3";
const LARGEST: u64 = 64 << 10;

/// How cells are tried, and which words name the kernel in menus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pyenv) enum Language {
    Python,
    R,
    Other,
}

/// What is started for a notebook.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pyenv) struct Program {
    pub(in crate::pyenv) argv: Vec<String>,
    pub(in crate::pyenv) display_name: String,
    /// In Jupyter's word, as in `python` or `R`.
    pub(in crate::pyenv) language: String,
    pub(in crate::pyenv) env: BTreeMap<String, String>,
    /// How it wants to be interrupted, where that is not by a signal.
    pub(in crate::pyenv) interrupt_mode: Option<String>,
}

/// What a package says about its kernel.
#[derive(Debug, Deserialize)]
struct Specification {
    argv: Vec<String>,
    display_name: String,
    language: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    interrupt_mode: Option<String>,
}

impl Language {
    /// As the trial is told.
    pub(in crate::pyenv) fn word(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::R => "r",
            Self::Other => "other",
        }
    }
}

impl Program {
    /// ipykernel's, in the environment that is seen at `place`.
    pub(in crate::pyenv) fn python(place: &Path) -> Self {
        let python = place.join("bin/python").display().to_string();
        let argv = [python.as_str(), "-m", "ipykernel_launcher", "-f", "{connection_file}"];
        Self {
            argv: argv.map(str::to_owned).into(),
            display_name: "Python 3".to_owned(),
            language: "python".to_owned(),
            env: BTreeMap::new(),
            interrupt_mode: None,
        }
    }

    pub(in crate::pyenv) fn language(&self) -> Language {
        match self.language.to_ascii_lowercase().as_str() {
            "python" => Language::Python,
            "r" => Language::R,
            _ => Language::Other,
        }
    }

    /// The kernel of the sealed conda environment in `directory`, which is seen at `place`: the one that is called as the
    /// kernel itself, else Python's, else the only one.
    ///
    /// # Errors
    /// When there is none, or more than one to choose from.
    pub(in crate::pyenv) fn find(directory: &Path, place: &Path, name: &KernelName) -> Result<Self> {
        let mut found = Vec::new();
        match fs_err::read_dir(directory.join(PLACE)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries? {
                    let entry = entry?;
                    let is_one = entry.path().join("kernel.json").is_file();
                    found.extend(entry.file_name().into_string().ok().filter(|_| is_one));
                }
            }
        }
        found.sort();
        let chosen = match (found.iter().find(|one| *one == name.as_str() || *one == PYTHON), &found[..]) {
            _ if found.iter().any(|one| one == name.as_str()) => name.as_str(),
            (Some(_), _) => return Ok(Self::python(place)),
            (None, [only]) => only,
            (None, []) => bail!(
                "none of its packages is a kernel, so notebooks can't use it\nhint: ask for one more package: ipykernel for Python, \
                 r-irkernel for R"
            ),
            (None, several) => bail!(
                "it has several kernels: {}\nhint: name yours like one of them: hubctl env --kernel {} apply FILE",
                several.join(", "),
                several[0]
            ),
        };
        let file = directory.join(PLACE).join(chosen).join("kernel.json");
        Self::read(&file, place).with_context(|| format!("reading `{}`", file.display()))
    }

    fn read(file: &Path, place: &Path) -> Result<Self> {
        let length = fs_err::metadata(file)?.len();
        if length > LARGEST {
            bail!("it has {length} bytes, expected at most {LARGEST}");
        }
        let Specification { mut argv, display_name, language, env, interrupt_mode } =
            serde_json::from_slice(&fs_err::read(file)?)?;
        let Some(program) = argv.first_mut() else { bail!("it names no program") };
        // Jupyter would look for `R` in the server's own directories first, and takes `python` for the server's.
        if !program.contains('/') {
            *program = place.join("bin").join(&*program).display().to_string();
        }
        if !Path::new(program).starts_with(place) {
            bail!("its program is `{program}`, expected one in `{}`", place.display());
        }
        Ok(Self { argv, display_name, language, env, interrupt_mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(kernels: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in kernels {
            let directory = root.path().join(PLACE).join(name);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("kernel.json"), text).unwrap();
        }
        root
    }

    fn find(kernels: &[(&str, &str)], name: &str) -> Result<Program> {
        Program::find(prefix(kernels).path(), Path::new("/k/3"), &name.parse().unwrap())
    }

    const R: &str = r#"{"argv": ["R", "--slave", "-e", "IRkernel::main()"], "display_name": "R", "language": "R"}"#;
    const C: &str = r#"{"argv": ["/k/3/bin/xcpp", "-f"], "display_name": "C++17", "language": "C++17", "env": {"A": "b"}}"#;

    #[test]
    fn the_only_one_is_taken_and_starts_from_the_environment() {
        let program = find(&[("ir", R)], "stats").unwrap();
        assert_eq!(program.argv[0], "/k/3/bin/R");
        assert_eq!((program.language(), program.display_name.as_str()), (Language::R, "R"));
        let program = find(&[("xcpp17", C)], "cpp").unwrap();
        assert_eq!((program.argv[0].as_str(), program.language()), ("/k/3/bin/xcpp", Language::Other));
        assert_eq!(program.env["A"], "b");
    }

    #[test]
    fn among_several_its_own_name_counts_then_python() {
        let python = ("python3", r#"{"argv": ["python"], "display_name": "Python 3", "language": "python"}"#);
        assert_eq!(find(&[("ir", R), python], "science").unwrap(), Program::python(Path::new("/k/3")));
        assert_eq!(find(&[("ir", R), python], "ir").unwrap().language(), Language::R);
        let error = find(&[("ir", R), ("xcpp17", C)], "x").unwrap_err().to_string();
        assert!(error.contains("ir, xcpp17") && error.contains("--kernel ir"), "{error}");
    }

    #[test]
    fn none_and_one_from_elsewhere_are_errors() {
        let error = find(&[], "x").unwrap_err().to_string();
        assert!(error.contains("ipykernel") && error.contains("r-irkernel"), "{error}");
        for text in [r#"{"argv": ["/bin/sh"], "display_name": "", "language": ""}"#, r#"{"argv": []}"#, "", "{}"] {
            assert!(find(&[("x", text)], "x").is_err(), "{text}");
        }
    }
}
