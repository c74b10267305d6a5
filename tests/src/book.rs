//! The pages of docs/: their order, the links between them, and the shell blocks that the scenario `docs` runs.

mod markdown;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::context::repository;
use markdown::{Line, lines, links};

/// The pages of the book, in their order, stand in this one.
const SUMMARY: &str = "SUMMARY.md";
/// What begins a shell block that can be run on a machine.
const RUNNABLE: &str = "sh,run";

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its path below the directory of the book, as in `howto/class.md`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A shell block that can be run on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Where it stands, as in `docs/howto/class.md:12`.
    pub place: String,
    /// What it says.
    pub script: String,
}

/// Where the pages are.
pub fn directory() -> PathBuf {
    repository().join("docs")
}

/// Every page of the book, in the order in which people read them; the table of contents comes first.
///
/// # Errors
/// When a page in the table of contents can't be read.
pub fn pages() -> Result<Vec<Page>> {
    let read = |name: &str| -> Result<Page> {
        let text = fs::read_to_string(directory().join(name)).context("reading a page of the book")?;
        Ok(Page { name: name.to_owned(), text })
    };
    let summary = read(SUMMARY)?;
    let listed: Vec<String> = links(&summary.text).into_iter().map(|link| link.target).collect();
    let mut pages = vec![summary];
    for name in listed {
        pages.push(read(&name)?);
    }
    Ok(pages)
}

/// The blocks of a page that can be run, in their order.
pub fn runnable(page: &Page) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (number, line) in lines(&page.text) {
        match line {
            Line::Opens(info) if info == RUNNABLE => {
                blocks.push(Block { place: format!("docs/{}:{number}", page.name), script: String::new() });
            }
            Line::Code(info, text) if info == RUNNABLE => {
                if let Some(block) = blocks.last_mut() {
                    block.script.push_str(text);
                    block.script.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Links from one page to another, or to a heading, that lead nowhere; one line each. Every page must be in the table of
/// contents, `files` being all there are.
pub fn broken_links(pages: &[Page], files: &[String]) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages {
        for link in links(&page.text) {
            if let Some(problem) = judge(pages, files, page, &link.target) {
                broken.push(format!("docs/{}:{}: `{}`: {problem}", page.name, link.line, link.target));
            }
        }
    }
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        if pages.iter().all(|page| page.name != **file) {
            broken.push(format!("docs/{file}: not in docs/{SUMMARY}, so the book has no such page"));
        }
    }
    broken
}

/// Every page and heading that some page links to.
pub fn linked_headings(pages: &[Page]) -> Vec<(String, String)> {
    let mut linked = Vec::new();
    for page in pages {
        for link in links(&page.text).into_iter().filter(|link| !is_elsewhere(&link.target)) {
            if let Some((path, anchor)) = link.target.split_once('#') {
                let name = if path.is_empty() { Some(page.name.clone()) } else { resolve(&page.name, path) };
                linked.extend(name.map(|name| (name, anchor.to_owned())));
            }
        }
    }
    linked
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

fn judge(pages: &[Page], files: &[String], from: &Page, target: &str) -> Option<&'static str> {
    if is_elsewhere(target) {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let name = if path.is_empty() { Some(from.name.clone()) } else { resolve(&from.name, path) };
    let Some(name) = name else { return Some("leads out of the book") };
    if !files.contains(&name) {
        return Some("there is no such file");
    }
    if anchor.is_empty() {
        return None;
    }
    let page = pages.iter().find(|page| page.name == name)?;
    if markdown::anchors(&page.text).iter().any(|known| known == anchor) { None } else { Some("there is no such heading") }
}

/// `path` as seen from the page `from`; `None` when it is outside of the book.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Path::new(from).parent()?.to_str()?.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, text: &str) -> Page {
        Page { name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn finds_the_blocks_that_can_be_run_and_where_they_stand() {
        let text = "# A\n\n```sh,run\nsudo true\nls\n```\n\n```sh\nnot run\n```\n\n1. one\n\n   ```sh,run\n   indented\n   ```\n";
        let blocks = runnable(&page("howto/a.md", text));
        let told: Vec<_> = blocks.iter().map(|block| (block.place.as_str(), block.script.as_str())).collect();
        assert_eq!(told, [("docs/howto/a.md:3", "sudo true\nls\n"), ("docs/howto/a.md:14", "indented\n")]);
    }

    #[test]
    fn tells_links_that_lead_nowhere() {
        let pages = [
            page(
                "README.md",
                "[a](howto/a.md) [b](howto/b.md) [c](howto/a.md#two-words) [d](howto/a.md#none) [e](https://x.example)",
            ),
            page(
                "howto/a.md",
                "# Two `words`\n[up](../README.md) [out](../../README.md) ![picture](../images/lab.png) `[no](no.md)`\n",
            ),
        ];
        let files = ["README.md", "howto/a.md", "images/lab.png", "lost.md"].map(str::to_owned);
        assert_eq!(
            broken_links(&pages, &files),
            [
                "docs/README.md:1: `howto/b.md`: there is no such file",
                "docs/README.md:1: `howto/a.md#none`: there is no such heading",
                "docs/howto/a.md:2: `../../README.md`: leads out of the book",
                "docs/lost.md: not in docs/SUMMARY.md, so the book has no such page",
            ]
        );
    }
}
