//! Named environments beside everybody's: each is a kernel in every server, with generations of its own.
//!
//! One lies below [`Paths::kernels`] at the place where it was built, so that servers which already run see it, and a kernel
//! keeps its generation for life. The file that Jupyter reads names the generation: one rename switches both.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use anyhow::{Context, Result};
use hub_core::packages::KernelName;
use hub_core::paths::Paths;
use serde_json::{Value, json};

use super::conda::{Language, Program};

/// What a kernel needs to be one, and the oldest version that is safe.
pub(super) const BASE: &str = "ipykernel>=6.29\n";
/// The kernels of this machine that have a place for generations, whether or not one is in force, by name.
///
/// # Errors
/// When the directory can't be read.
pub fn kernels(paths: &Paths) -> Result<Vec<KernelName>> {
    let entries = match fs_err::read_dir(paths.kernels()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse::<KernelName>().ok()));
    }
    names.sort();
    Ok(names)
}

/// Takes the kernel `name` out of every menu, and what is empty off the disk. Its generations stay.
///
/// # Errors
/// When the file can't be deleted.
pub fn retire(paths: &Paths, name: &KernelName) -> Result<()> {
    let store = paths.of_kernel(name);
    match fs_err::remove_file(store.current_environment()) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    match std::fs::remove_dir(store.environments()) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error).with_context(|| format!("deleting `{}`", store.environments().display()))
        }
        _ => Ok(()),
    }
}

/// What Jupyter reads about generation `number` of `name`, whose store is `paths`, and which `program` is started from.
pub(super) fn specification(paths: &Paths, name: &KernelName, number: u32, program: &Program, is_conda: bool) -> String {
    let place = paths.environment(number);
    let mut env: BTreeMap<&str, String> = program.env.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    // What a cell starts with `!` comes from the same environment.
    env.insert("PATH", format!("{}:${{PATH}}", place.join("bin").display()));
    env.insert(if is_conda { "CONDA_PREFIX" } else { "VIRTUAL_ENV" }, place.display().to_string());
    let mut specification = json!({
        "argv": program.argv,
        "display_name": format!("{} ({name})", program.display_name),
        "language": program.language,
        "env": env,
        "metadata": {"hubd": {"generation": number}},
    });
    if program.language() == Language::Python {
        specification["metadata"]["debugger"] = true.into();
        specification["metadata"]["supported_encryption"] = json!(["curve"]);
        specification["kernel_protocol_version"] = "5.5".into();
    }
    if let Some(mode) = &program.interrupt_mode {
        specification["interrupt_mode"] = mode.as_str().into();
    }
    format!("{specification:#}\n")
}

/// The generation that the specification in `text` stands for.
pub(super) fn generation(text: &str) -> Result<u32> {
    let specification: Value = serde_json::from_str(text)?;
    let number = specification["metadata"]["hubd"]["generation"].as_u64().and_then(|number| u32::try_from(number).ok());
    number.context("it names no generation")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_jupyter_reads_names_the_generation() {
        let name: KernelName = "pytorch".parse().unwrap();
        let paths = Paths::default().of_kernel(&name);
        let text = specification(&paths, &name, 7, &Program::python(&paths.environment(7)), false);
        assert_eq!(generation(&text).unwrap(), 7);
        assert!(text.contains("\"/opt/hubd/jupyter/kernels/pytorch/7/bin/python\""), "{text}");
        assert!(text.contains("\"PATH\": \"/opt/hubd/jupyter/kernels/pytorch/7/bin:${PATH}\""), "{text}");
        assert!(
            text.contains("\"VIRTUAL_ENV\"") && text.contains("\"Python 3 (pytorch)\"") && text.contains("debugger"),
            "{text}"
        );
        assert!(generation("{}").is_err());
        let program = Program { language: "R".to_owned(), display_name: "R".to_owned(), ..Program::python(Path::new("/x")) };
        let text = specification(&paths, &name, 7, &program, true);
        assert!(text.contains("\"CONDA_PREFIX\"") && text.contains("\"R (pytorch)\"") && !text.contains("debugger"), "{text}");
    }

    #[test]
    fn a_retired_kernel_is_in_no_menu_and_keeps_what_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(kernels(&paths).unwrap(), []);
        let name: KernelName = "r".parse().unwrap();
        let store = paths.of_kernel(&name);
        std::fs::create_dir_all(store.environment(3)).unwrap();
        std::fs::write(store.current_environment(), "{}").unwrap();
        std::fs::create_dir(paths.kernels().join("Not-One")).unwrap();
        assert_eq!(kernels(&paths).unwrap(), std::slice::from_ref(&name));
        retire(&paths, &name).unwrap();
        assert!(!store.current_environment().exists() && store.environment(3).exists());
        std::fs::remove_dir(store.environment(3)).unwrap();
        retire(&paths, &name).unwrap();
        assert_eq!(kernels(&paths).unwrap(), []);
        retire(&paths, &name).unwrap();
    }
}
