//! The dependencies of a `pyproject.toml`, or why it does not say them: a project may leave them to its build tool, keep them in
//! another tool's table, or have none at all, and only the last is an answer. Pure.

use anyhow::{Result, bail};
use toml::{Table, Value};

use crate::failure::Failure;

/// Where other tools keep dependencies, what they are called, and how their list becomes a requirements file.
const FOREIGN: [(&str, &[&str], &str); 6] = [
    ("poetry", &["dependencies"], "poetry export --without-hashes --output requirements.txt"),
    ("pixi", &["dependencies", "pypi-dependencies"], "pixi list --explicit shows them; hubctl env install takes them by name"),
    ("flit", &["metadata"], "uv pip compile pyproject.toml --output-file requirements.txt"),
    ("hatch", &["envs"], "hatch dep show requirements > requirements.txt"),
    ("pdm", &["dev-dependencies"], "pdm export --without-hashes --output requirements.txt"),
    ("conda", &["dependencies"], "conda env export --from-history > environment.yml"),
];
const COMPILE: &str = "uv pip compile pyproject.toml --output-file requirements.txt";

/// The dependencies in `text`; none: it says that there are none.
pub(super) fn dependencies(text: &str) -> Result<Vec<String>> {
    let file: Table =
        toml::from_str(text).map_err(|error| Failure::plain(format!("reading the project: {}", error.message())))?;
    let table = |table: &Table, key: &str| table.get(key).and_then(Value::as_table).cloned();
    let project = table(&file, "project").unwrap_or_default();
    let foreign = foreign(&file);
    if project
        .get("dynamic")
        .and_then(Value::as_array)
        .is_some_and(|keys| keys.iter().any(|key| key.as_str() == Some("dependencies")))
    {
        return Err(dynamic(&file).into());
    }
    let listed = match project.get("dependencies") {
        None => Vec::new(),
        Some(Value::Array(list)) if list.iter().all(Value::is_str) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => bail!(Failure::plain("reading the project: `dependencies` under [project] takes a list of strings")),
    };
    match (listed.is_empty(), foreign) {
        (true, Some((table, command))) => {
            Err(refused(format!("the project keeps its dependencies in [{table}], which only that tool reads"), command).into())
        }
        (true, None) if !file.contains_key("project") => {
            Err(refused("the file has no [project] with dependencies", "is it the right file? A requirements.txt will do").into())
        }
        (true, None) if !project.contains_key("dependencies") => {
            let hint = "write dependencies = [...] under [project]; groups and optional dependencies are not taken";
            Err(refused("[project] has no `dependencies`", hint).into())
        }
        _ => Ok(listed),
    }
}

/// A table of another tool that holds dependencies, and what makes a file of them that can be used.
fn foreign(file: &Table) -> Option<(String, &'static str)> {
    let tools = file.get("tool")?.as_table()?;
    FOREIGN.iter().find_map(|(tool, keys, command)| {
        let key = keys.iter().find(|key| tools.get(*tool).and_then(|table| table.get(**key)).is_some())?;
        Some((format!("tool.{tool}.{key}"), *command))
    })
}

/// What the build tool is left to find out, and where it would look if that is known.
fn dynamic(file: &Table) -> Failure {
    let at = ["tool", "setuptools", "dynamic", "dependencies", "file"];
    let first = file.get(at[0]).and_then(|value| at[1..].iter().try_fold(value, |value, key| value.get(*key)));
    let files: Vec<&str> = match first {
        Some(Value::String(file)) => vec![file],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let hint = match files.as_slice() {
        [only] => format!("it takes them from `{only}`: hubctl env apply {only}"),
        _ => format!("{COMPILE} writes them down; then hubctl env apply requirements.txt"),
    };
    refused(
        "the project leaves its dependencies to its build tool (`dynamic` under [project]), so the file does not say them",
        hint,
    )
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure { hint: Some(hint.into()), ..Failure::plain(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (String, String) {
        let error = dependencies(text).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        (failure.message.clone(), failure.hint.clone().unwrap_or_default())
    }

    #[test]
    fn reads_what_the_project_says() {
        let text = "[project]\nname = \"course\"\ndependencies = [\"pandas>=2\", \"cowsay\"]\n[tool.pixi.dependencies]\nx = 1\n";
        assert_eq!(dependencies(text).unwrap(), ["pandas>=2", "cowsay"]);
        assert_eq!(dependencies("[project]\ndependencies = []\n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn no_answer_is_not_taken_for_none() {
        for (text, message, hint) in [
            ("[project]\ndynamic = [\"version\", \"dependencies\"]\n", "(`dynamic` under [project])", COMPILE),
            (
                "[project]\ndynamic = [\"dependencies\"]\n[tool.setuptools.dynamic]\ndependencies = { file = [\"base.txt\"] }\n",
                "(`dynamic` under [project])",
                "hubctl env apply base.txt",
            ),
            ("[project]\nname = \"x\"\n", "[project] has no `dependencies`", "dependencies = [...]"),
            ("[project]\noptional-dependencies = { x = [\"a\"] }\n", "[project] has no `dependencies`", "not taken"),
            ("[tool.black]\n", "the file has no [project]", "requirements.txt"),
            ("", "the file has no [project]", "requirements.txt"),
            ("[tool.poetry.dependencies]\npandas = \"^2\"\n", "[tool.poetry.dependencies]", "poetry export"),
            ("[project]\nname = \"x\"\n[tool.pixi.dependencies]\npandas = \"2\"\n", "[tool.pixi.dependencies]", "pixi list"),
            ("[project]\ndependencies = []\n[tool.hatch.envs.default]\n", "[tool.hatch.envs]", "hatch dep show"),
            ("[project]\n[tool.pdm.dev-dependencies]\ntest = []\n", "[tool.pdm.dev-dependencies]", "pdm export"),
            ("[project]\ndependencies = \"pandas\"\n", "takes a list", ""),
        ] {
            let (told, hinted) = refusal(text);
            assert!(told.contains(message), "{text}: {told}");
            assert!(hinted.contains(hint), "{text}: {hinted}");
        }
    }
}
