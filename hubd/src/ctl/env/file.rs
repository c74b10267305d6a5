//! What a file asks for: requirements.txt or pyproject.toml in, packages or every wrong line out. Pure.

use std::path::Path;

use anyhow::{Result, bail};
use hub_core::pyenv::Requirement;
use serde::Deserialize;

use crate::ctl::failure::Failure;

/// Reads `text`, which is the content of `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Requirement>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let lines =
        if name.ends_with(".toml") { dependencies(text)?.into_iter().map(|line| (None, line)).collect() } else { lines(text) };
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match line.parse::<Requirement>() {
            Ok(package) => packages.push(package),
            Err(error) => problems.push(number.map_or(format!("{error}"), |number| format!("line {number}: {error}"))),
        }
    }
    if !problems.is_empty() {
        let hint = "mirrors are set in the configuration of the machine; other files are given one after the other";
        let hint = problems.iter().any(|problem| problem.contains("is an option")).then(|| hint.to_owned());
        bail!(Failure { hint, ..Failure::plain(format!("`{}` can't be used:\n{}", path.display(), problems.join("\n"))) });
    }
    Ok(packages)
}

/// The dependencies of a project.
fn dependencies(text: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct File {
        project: Option<Project>,
    }
    #[derive(Deserialize)]
    struct Project {
        #[serde(default)]
        dependencies: Vec<String>,
    }
    let file: File = toml::from_str(text).map_err(|error| Failure::plain(format!("reading the project: {}", error.message())))?;
    match file.project {
        Some(project) => Ok(project.dependencies),
        None => bail!(Failure::plain("the file has no [project] with dependencies")),
    }
}

/// Lines with their numbers, joined where they are continued, without comments and without hashes: the lock gets its own.
fn lines(text: &str) -> Vec<(Option<usize>, String)> {
    let (mut lines, mut joined, mut begun) = (Vec::new(), String::new(), 1);
    for (index, line) in text.lines().enumerate() {
        if joined.is_empty() {
            begun = index + 1;
        }
        let continued = line.strip_suffix('\\');
        joined.push_str(continued.unwrap_or(line));
        if continued.is_some() {
            joined.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut joined);
        let content = match whole.trim_start().starts_with('#') {
            true => "",
            false => whole.split(" #").next().unwrap_or_default(),
        };
        let words = content.split_whitespace().filter(|word| !word.starts_with("--hash="));
        let content = words.collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            lines.push((Some(begun), content));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<String>> {
        parse(Path::new(name), text).map(|packages| packages.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_requirements_with_comments_hashes_and_continued_lines() {
        let hash = "0".repeat(64);
        let text = format!(
            "# course\n\npandas >= 2  # for week two\nnumpy==2.1.0 \\\n    --hash=sha256:{hash} \\\n    --hash=sha256:{hash}\n\
             demo @ https://example.org/x.whl#sha256={hash}\ntomli; python_version < \"3.11\"\n"
        );
        assert_eq!(
            read("requirements.txt", &text).unwrap(),
            [
                "pandas >= 2",
                "numpy==2.1.0",
                &format!("demo @ https://example.org/x.whl#sha256={hash}"),
                "tomli; python_version < \"3.11\""
            ]
        );
    }

    #[test]
    fn shows_every_line_that_is_wrong() {
        let text = "pandas\n--index-url https://evil.example\n-r other.txt\n./local\n";
        let error = read("requirements.txt", text).unwrap_err().to_string();
        for line in ["line 2: `--index-url", "line 3: `-r", "line 4: `./local"] {
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn reads_the_dependencies_of_a_project() {
        let text = "[project]\nname = \"course\"\ndependencies = [\"pandas>=2\", \"cowsay\"]\n[tool.other]\nx = 1\n";
        assert_eq!(read("pyproject.toml", text).unwrap(), ["pandas>=2", "cowsay"]);
        assert!(read("pyproject.toml", "[tool.x]\n").unwrap_err().to_string().contains("no [project]"));
    }
}
