//! What a file asks for: requirements.txt or pyproject.toml in, packages or every wrong line out. Pure.

use std::path::Path;

use anyhow::{Result, bail};
use hub_core::packages::Requirement;

use super::project;
use crate::failure::Failure;

/// Reads `text`, which is the content of `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Requirement>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    let lines = if name.ends_with(".toml") {
        project::dependencies(text)?.into_iter().map(|line| (None, line)).collect()
    } else {
        lines(text)
    };
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match line.parse::<Requirement>() {
            Ok(package) => packages.push(package),
            Err(error) => problems.push(number.map_or(format!("{error}"), |number| format!("line {number}: {error}"))),
        }
    }
    // A file without a line says nothing; that there is to be nothing, a project can say.
    if packages.is_empty() && problems.is_empty() && !name.ends_with(".toml") {
        let hint = "to take packages away: hubctl env remove PACKAGE...".to_owned();
        bail!(Failure { hint: Some(hint), ..Failure::plain(format!("`{}` lists no package", path.display())) });
    }
    if !problems.is_empty() {
        let hint = "mirrors are set in the configuration of the machine; other files are given one after the other";
        let hint = problems.iter().any(|problem| problem.contains("is an option")).then(|| hint.to_owned());
        bail!(Failure { hint, ..Failure::plain(format!("`{}` can't be used:\n{}", path.display(), problems.join("\n"))) });
    }
    Ok(packages)
}

/// Lines with their numbers as pip reads them: joined where they are continued (a comment is not), without comments, and
/// without hashes, because the lock gets its own.
fn lines(text: &str) -> Vec<(Option<usize>, String)> {
    let (mut lines, mut joined, mut begun) = (Vec::new(), String::new(), 1);
    let count = text.lines().count();
    for (index, line) in text.lines().enumerate() {
        if joined.is_empty() {
            begun = index + 1;
        }
        let continued = line.strip_suffix('\\').filter(|_| !line.trim_start().starts_with('#'));
        joined.push_str(continued.unwrap_or(line));
        if continued.is_some() && index + 1 < count {
            joined.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut joined);
        let words = without_comment(&whole).split_whitespace().filter(|word| !word.starts_with("--hash="));
        let content = words.collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            lines.push((Some(begun), content));
        }
    }
    lines
}

/// What is before a `#` that begins the line or follows a blank of any kind.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = character;
    }
    line
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
    fn reads_lines_as_pip_does() {
        for (text, packages) in [
            ("pandas\t# für Woche 2\nnumpy\n", &["pandas", "numpy"][..]),
            ("# C:\\course\\\npandas\n", &["pandas"]),
            ("pandas \\\n# for week two\nnumpy\n", &["pandas", "numpy"]),
            ("pandas \\\n  >=2\nnumpy \\", &["pandas >=2", "numpy"]),
        ] {
            assert_eq!(read("requirements.txt", text).unwrap(), packages, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_lists_nothing_is_refused() {
        for text in ["", "\n\n", "# pandas\n", "  # later\n"] {
            let error = read("requirements.txt", text).unwrap_err().to_string();
            assert_eq!(error, "`requirements.txt` lists no package");
        }
        assert_eq!(read("pyproject.toml", "[project]\ndependencies = []\n").unwrap(), Vec::<String>::new());
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
