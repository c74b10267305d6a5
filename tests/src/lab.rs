//! JupyterLab through a browser, as a person uses it: notebooks, cells, terminals, files up and down.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fantoccini::key::Key;

use crate::browser::Browser;

const DEADLINE: Duration = Duration::from_secs(180);
/// JupyterLab asks before it uploads more than so many bytes.
const ASKS_ABOVE: u64 = 15 * 1024 * 1024;
const FILE_DEADLINE: Duration = Duration::from_secs(180);

/// Opens a new notebook from the launcher and waits until its kernel is idle.
///
/// # Errors
/// When the launcher is not there or the kernel does not start.
pub fn new_notebook(browser: &Browser) -> Result<()> {
    browser.wait_for(".jp-LauncherCard[data-category='Notebook']", DEADLINE)?;
    browser.click(".jp-LauncherCard[data-category='Notebook']")?;
    browser.wait_for(".jp-Notebook .jp-CodeCell", DEADLINE)?;
    wait_for_idle_kernel(browser)
}

/// Waits until the kernel of the notebook that is open says that it is idle.
///
/// # Errors
/// When it does not within the deadline.
pub fn wait_for_idle_kernel(browser: &Browser) -> Result<()> {
    // Before a kernel is connected running a cell does nothing at all, and the notebook's own sign says idle already then.
    browser.wait_for_text("#jp-bottom-panel", "| Idle", DEADLINE)
}

/// Types `code` into the selected cell, runs it and waits until its output shows `expected`.
///
/// # Errors
/// When the output does not come.
pub fn run_cell(browser: &Browser, code: &str, expected: &str) -> Result<()> {
    let cells = browser.count(".jp-Notebook .jp-CodeCell")?;
    browser.click(".jp-Notebook .jp-CodeCell.jp-mod-selected .cm-content")?;
    browser.type_keys(code)?;
    browser.chord(&[Key::Shift], Key::Enter)?;
    let output = format!(
        ".jp-Notebook .jp-Cell:nth-of-type({cells}) .jp-OutputArea-output, .jp-Notebook [data-windowed-list-index='{}'] .jp-OutputArea-output",
        cells - 1
    );
    browser.wait_for_text(&output, expected, DEADLINE)
}

/// Opens a launcher in a new tab, from it a terminal, and waits for the prompt.
///
/// # Errors
/// When no terminal comes up.
pub fn new_terminal(browser: &Browser) -> Result<()> {
    browser.click("button[data-command='launcher:create'], .jp-ToolbarButtonComponent[title^='New Launcher'], [data-command='filebrowser:create-main-launcher']")?;
    let card = ".jp-LauncherCard[title^='Start a new terminal']";
    browser.wait_for(card, DEADLINE)?;
    browser.click(card)?;
    // It is drawn, not written, so no prompt can be read; what is typed before the shell is there waits for it.
    browser.wait_for(".jp-Terminal .xterm-screen", DEADLINE)
}

/// Types a line into the terminal that was opened last.
///
/// # Errors
/// When there is none.
pub fn terminal_line(browser: &Browser, line: &str) -> Result<()> {
    browser.execute("document.querySelector('.jp-Terminal:not(.lm-mod-hidden) .xterm-helper-textarea').focus()", Vec::new())?;
    browser.type_keys(&format!("{line}{}", char::from(Key::Enter)))
}

/// Uploads a file with the button of the file browser and waits until it is listed there.
///
/// # Errors
/// When it is not listed in time.
pub fn upload(browser: &Browser, file: &Path) -> Result<()> {
    let name = file.file_name().and_then(|name| name.to_str()).context("the file has no name")?;
    // A dialog of the desktop can't be driven: the field behind it is put into the page and filled there.
    const CATCH_FIELD: &str = "
        HTMLInputElement.prototype.click = function () { this.id = 'caught'; document.body.append(this) };
        document.querySelector('[data-jp-item-name=uploader] jp-button, [data-jp-item-name=uploader] button').click()";
    browser.wait_for("[data-jp-item-name=uploader] jp-button, [data-jp-item-name=uploader] button", DEADLINE)?;
    browser.execute(CATCH_FIELD, Vec::new())?;
    browser.fill("#caught", &file.display().to_string())?;
    if std::fs::metadata(file)?.len() > ASKS_ABOVE {
        browser.wait_for(".jp-Dialog .jp-mod-accept", DEADLINE)?;
        browser.click(".jp-Dialog .jp-mod-accept")?;
    }
    let is_listed = format!(
        "return [...document.querySelectorAll('.jp-DirListing-itemText')].some(item => item.textContent.trim() === {name:?})"
    );
    browser.wait_for_script(&is_listed, FILE_DEADLINE)
}
