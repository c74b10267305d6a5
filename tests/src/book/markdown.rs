//! As much of Markdown as the checks need: fenced blocks, links, headings. Pure.

/// One line of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Text for people.
    Prose(&'a str),
    /// A fenced block begins; what stands behind the fence.
    Opens(&'a str),
    /// In a fenced block: what stands behind its fence, and the line without the block's indentation.
    Code(&'a str, &'a str),
    /// A fenced block ends.
    Closes,
}

/// A link, or a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The number of its line, from 1.
    pub(super) line: usize,
    /// Where it leads.
    pub(super) target: String,
}

const FENCE: &str = "```";

/// Every line with its number, from 1.
pub(super) fn lines(text: &str) -> Vec<(usize, Line<'_>)> {
    let mut found = Vec::new();
    let mut block: Option<(usize, &str)> = None;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let line = match (block, bare.strip_prefix(FENCE)) {
            (None, Some(info)) => {
                block = Some((line.len() - bare.len(), info.trim()));
                Line::Opens(info.trim())
            }
            (Some(_), Some("")) => {
                block = None;
                Line::Closes
            }
            // Less indentation than the fence has is none, as Markdown has it.
            (Some((indentation, info)), _) => Line::Code(info, &line[indentation.min(line.len() - bare.len())..]),
            (None, None) => Line::Prose(line),
        };
        found.push((index + 1, line));
    }
    found
}

/// The links of a page, in their order.
pub(super) fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (number, line) in lines(text) {
        let Line::Prose(line) = line else { continue };
        // Every other piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for piece in prose.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                found.push(Link { line: number, target: target.to_owned() });
            }
        }
    }
    found
}

/// What a link to a heading of the page can have behind its `#`.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let (mut found, mut plain) = (Vec::new(), Vec::new());
    for (_, line) in lines(text) {
        let Line::Prose(line) = line else { continue };
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let name = anchor(heading.trim());
        // mdBook numbers headings of the same name.
        let again = plain.iter().filter(|known| **known == name).count();
        found.push(if again == 0 { name.clone() } else { format!("{name}-{again}") });
        plain.push(name);
    }
    found
}

/// As mdBook makes it: letters, digits, `-` and `_`, blanks as `-`.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|character| match character {
        character if character.is_alphanumeric() || "-_".contains(character) => Some(character.to_ascii_lowercase()),
        character if character.is_whitespace() => Some('-'),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        let text = "a\n```sh\n[x](y)\n```\nb";
        let kinds: Vec<_> = lines(text).into_iter().map(|(_, line)| line).collect();
        assert_eq!(kinds, [Line::Prose("a"), Line::Opens("sh"), Line::Code("sh", "[x](y)"), Line::Closes, Line::Prose("b")]);
        assert_eq!(links(text), []);
    }

    #[test]
    fn headings_have_the_anchors_that_mdbook_gives_them() {
        let text = "# The page says \"502\"\n## `user add`\n## A: b, c\n## A\n## A\n#no heading\n";
        assert_eq!(anchors(text), ["the-page-says-502", "user-add", "a-b-c", "a", "a-1"]);
    }
}
