//! JupyterLab through a browser, as a person uses it: notebooks, cells, terminals, files dropped and downloaded.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fantoccini::key::Key;
use serde_json::json;

use crate::browser::Browser;

const DEADLINE: Duration = Duration::from_secs(90);
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

/// Drops a file of `bytes` pseudo-random bytes on the file browser, as a person drags one in, and waits until it is
/// listed. Returns the file's SHA-256 as the browser computed it.
///
/// # Errors
/// When it is not listed in time.
pub fn drop_file(browser: &Browser, name: &str, bytes: u64) -> Result<String> {
    const SCRIPT: &str = r"
        const [name, bytes] = arguments;
        const data = new Uint8Array(bytes);
        let state = 12345;
        for (let i = 0; i < bytes; i += 1) { state = (state * 1103515245 + 12345) & 0x7fffffff; data[i] = state >> 16; }
        const transfer = new DataTransfer();
        transfer.items.add(new File([data], name));
        const list = document.querySelector('.jp-DirListing-content');
        for (const type of ['dragenter', 'dragover', 'drop']) {
            list.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }
        window.uploadDigest = null;
        crypto.subtle.digest('SHA-256', data).then(digest => {
            window.uploadDigest = [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('');
        });";
    browser.execute(SCRIPT, vec![json!(name), json!(bytes)])?;
    browser.wait_for_script("return window.uploadDigest !== null", FILE_DEADLINE)?;
    let digest = browser.execute("return window.uploadDigest", Vec::new())?;
    browser.wait_for_script(
        &format!(
            "return [...document.querySelectorAll('.jp-DirListing-itemText')].some(item => item.textContent.trim() === {name:?})"
        ),
        FILE_DEADLINE,
    )?;
    Ok(digest.as_str().context("the browser gave no digest")?.to_owned())
}
