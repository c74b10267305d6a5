//! Every verb of `hubctl` with arguments of the right form, read from the page of the command line, which is made from the code.

const PAGE: &str = include_str!("../../../../docs/reference/hubctl.md");
/// In every usage of a verb, and nowhere else.
const OPTIONS: &str = " [OPTIONS]";

/// A verb as it is typed, with what it is about.
pub(super) struct Line {
    /// As in `user add`.
    pub(super) verb: String,
    /// All of it; `{}` stands for a file.
    pub(super) text: String,
}

/// Every verb, with all its positional arguments.
pub(super) fn all() -> Vec<Line> {
    usages().map(|(verb, arguments, _)| Line { text: typed(verb, arguments), verb: verb.to_owned() }).collect()
}

/// Every argument that may name a file, once.
pub(super) fn with_files() -> Vec<Line> {
    let mut lines = Vec::new();
    for (verb, arguments, options) in usages() {
        if arguments.iter().any(|name| names_a_file(name)) {
            lines.push(Line { verb: verb.to_owned(), text: typed(verb, arguments.clone()) });
        }
        for option in options {
            // Names beside a list would be another way to say the same.
            let others = if option == "--from" { Vec::new() } else { arguments.clone() };
            lines.push(Line { verb: verb.to_owned(), text: format!("{} {option} {{}}", typed(verb, others)) });
        }
    }
    lines
}

/// A package of an index may as well be a wheel.
fn names_a_file(name: &str) -> bool {
    name.contains("FILE") || name.contains("PATH") || name == "PACKAGE"
}

fn typed(verb: &str, arguments: Vec<&str>) -> String {
    let value = |name: &str| match name {
        "KEY" => "roles.admins",
        "NUMBER" | "FROM" | "TO" => "1",
        "SCOPE" => "list:users",
        name if names_a_file(name) => "{}",
        _ => "ada",
    };
    [verb].into_iter().chain(arguments.into_iter().map(value)).collect::<Vec<_>>().join(" ")
}

/// Verb, positional arguments, options that take a file.
fn usages() -> impl Iterator<Item = (&'static str, Vec<&'static str>, Vec<&'static str>)> {
    let sections =
        PAGE.split("\n```text\nhubctl ").skip(1).filter(|section| section.lines().next().unwrap_or_default().contains(OPTIONS));
    sections.map(|section| {
        let (usage, rest) = section.split_once('\n').unwrap_or((section, ""));
        let (verb, arguments) = usage.split_once(OPTIONS).unwrap_or((usage, ""));
        let arguments = arguments.split_whitespace().map(|name| name.trim_matches(&['[', ']', '<', '>', '.'][..])).collect();
        let rows = rest.lines().take_while(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix("| `--"));
        let options = rows.filter_map(|row| {
            let (option, _) = row.split_once('`')?;
            let (name, value) = option.split_once(' ')?;
            let start = PAGE.find(&format!("`--{name} {value}`"))?;
            names_a_file(value).then(|| &PAGE[start + 1..start + 3 + name.len()])
        });
        (verb, arguments, options.collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_arguments_are_read_from_the_page() {
        let all = all();
        let texts: Vec<_> = all.iter().map(|line| line.text.as_str()).collect();
        for expected in ["status", "user add ada", "config set roles.admins ada", "bundle create {}", "env apt install {}"] {
            assert!(texts.contains(&expected), "{expected}: {texts:#?}");
        }
        let files = with_files();
        let texts: Vec<_> = files.iter().map(|line| line.text.as_str()).collect();
        for expected in
            ["user add --from {}", "user add ada --password-file {}", "user link --from {}", "upgrade {}", "config diff {}"]
        {
            assert!(texts.contains(&expected), "{expected}: {texts:#?}");
        }
        assert!(files.len() > 14, "{texts:#?}");
    }
}
