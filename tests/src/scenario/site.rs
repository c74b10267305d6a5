//! The page that `installer/release.sh` puts beside a release, as somebody sees it who opens the folder in a browser.

use std::time::Duration;

use anyhow::{Result, ensure};
use fs_err as fs;

use super::{Group, Scenario};
use crate::context::Context;
use crate::release::ReleaseServer;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "site",
    about: "the page beside a release: its line is the right one with and without scripts, copied, on a phone, in both colours",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(30);
/// A narrow phone, and a desk.
const WIDTHS: [u32; 2] = [320, 1280];
/// The button says how it went.
const COPIED: &str = "return document.querySelector('#copy [role=status]').textContent !== ''";
const IS_TOO_WIDE: &str = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
/// A picture that did not load has no width of its own.
const BROKEN: &str =
    "return [...document.images].filter(image => !image.complete || image.naturalWidth === 0).map(image => image.src)";

fn run(context: &Context) -> Result<()> {
    let release = ReleaseServer::start(context)?;
    let base = release.url();
    let page = fs::read_to_string(release.directory().join("index.html"))?;
    ensure!(page.contains("curl -fsSL <span data-base>$BASE</span>/bootstrap.sh"), "without scripts the line is another: {page}");
    ensure!(
        !page.contains("@BASE@") && !page.contains("@VERSION@") && !page.contains("<!-- "),
        "something was not filled in: {page}"
    );
    context.step("without scripts the page names the address $BASE and says what that is")?;

    let browser = context.browser("site")?;
    browser.goto(&format!("{base}/"))?;
    let line = format!("curl -fsSL {base}/bootstrap.sh | sudo env HUBD_RELEASE_URL={base} bash -s -- --admin ada");
    browser.wait_for_text("#line", &line, DEADLINE)?;
    ensure!(browser.count("#where[hidden]")? == 1, "the page still explains $BASE");
    browser.wait_for_script("return document.readyState === 'complete'", DEADLINE)?;
    let broken = browser.execute(BROKEN, Vec::new())?;
    ensure!(broken.as_array().is_some_and(Vec::is_empty), "pictures that are not there: {broken}");
    browser.click("#copy button")?;
    browser.wait_for_script(COPIED, DEADLINE)?;
    ensure!(browser.text("#copy [role=status]")? == "Copied", "not copied: {}", browser.text("#copy")?);
    for width in WIDTHS {
        browser.resize(width, 900)?;
        ensure!(browser.execute(IS_TOO_WIDE, Vec::new())? == false, "at {width} pixels one has to scroll to the side");
        browser.screenshot(&format!("{width}"))?;
    }
    let console = browser.console_log()?;
    ensure!(console.is_empty(), "the console says: {}", console.join("\n"));
    context.step("the line of this very folder, copied by a click; nothing to scroll sideways at 320 pixels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::repository;

    fn read(path: &str) -> String {
        fs::read_to_string(repository().join(path)).unwrap()
    }

    /// What stands between `before` and `after`, each time.
    fn between<'text>(text: &'text str, before: &str, after: char) -> Vec<&'text str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    }

    #[test]
    fn the_page_says_what_the_book_says() {
        // Lines may end anywhere.
        let page = read("installer/release/site.html").split_whitespace().collect::<Vec<_>>().join(" ");
        let (cloud, needs) = (read("docs/install/cloud.md"), read("docs/README.md"));
        let providers = between(&cloud, "\n| [", ']');
        assert_eq!(providers.len(), 6, "{providers:?}");
        let systems: Vec<&str> =
            between(&needs, "\n  | ", '|').into_iter().map(str::trim).filter(|cell| cell.ends_with(char::is_numeric)).collect();
        assert_eq!(systems.len(), 3, "{systems:?}");
        for name in providers.iter().chain(&systems) {
            assert!(page.contains(name), "the page does not name {name}");
        }
    }

    #[test]
    fn the_page_leads_to_files_of_the_folder_only() {
        let page = read("installer/release/site.html");
        let mut addresses = between(&page, "href=\"", '"');
        addresses.extend(between(&page, "src=\"", '"'));
        assert!(addresses.len() > 5, "{addresses:?}");
        for address in addresses {
            match address.strip_prefix("book/").and_then(|path| path.strip_suffix(".html")) {
                Some("index") => (),
                Some(page) => assert!(repository().join(format!("docs/{page}.md")).is_file(), "the book has no `{page}`"),
                None => assert!(["SHA256SUMS", "icon.svg", "lab.png"].contains(&address), "{address}"),
            }
        }
    }
}
