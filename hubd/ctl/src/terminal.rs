//! Asking the person at the terminal, with and without showing what is typed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices};

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;
/// More than a terminal hands over at once.
const LONGEST_LINE: usize = 4096;

/// Somebody who can be asked.
pub trait Terminal {
    /// Whether somebody sits there.
    fn present(&self) -> bool;
    /// Asks for a line; `None`: the end of input.
    ///
    /// # Errors
    /// When the terminal can't be used.
    fn ask(&mut self, prompt: &str) -> Result<Option<String>>;
    /// Asks for a line that is not shown; `None`: the end of input, or an interrupt.
    ///
    /// # Errors
    /// When the terminal can't be used.
    fn ask_secret(&mut self, prompt: &str) -> Result<Option<String>>;
    /// The device, for a program that works at it; `None`: what this process reads and writes.
    ///
    /// # Errors
    /// When the terminal can't be used.
    fn device(&self) -> Result<Option<File>> {
        Ok(None)
    }
}

/// There is nobody to ask.
#[derive(Debug)]
pub(super) struct Nobody;

impl Terminal for Nobody {
    fn present(&self) -> bool {
        false
    }

    fn ask(&mut self, _prompt: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn ask_secret(&mut self, _prompt: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The terminal that this process belongs to, whatever its standard input is.
#[derive(Debug)]
pub struct ControllingTerminal {
    path: PathBuf,
}

impl ControllingTerminal {
    /// `path` is the device; it is opened when somebody is asked.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn open(&self) -> Result<File> {
        let opened = File::options().read(true).write(true).open(&self.path);
        opened.with_context(|| format!("opening the terminal `{}`", self.path.display()))
    }
}

impl Terminal for ControllingTerminal {
    fn present(&self) -> bool {
        self.open().is_ok()
    }

    fn device(&self) -> Result<Option<File>> {
        self.open().map(Some)
    }

    fn ask(&mut self, prompt: &str) -> Result<Option<String>> {
        read_line(&self.open()?, prompt)
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Option<String>> {
        let terminal = self.open()?;
        let before = termios::tcgetattr(&terminal).context("reading the terminal's settings")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        silent.local_flags.insert(LocalFlags::ECHONL);
        // Ctrl-C ends the line instead of this process, which would leave the terminal silent.
        silent.local_flags.remove(LocalFlags::ISIG);
        silent.control_chars[SpecialCharacterIndices::VEOL as usize] = INTERRUPT;
        termios::tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent).context("silencing the terminal")?;
        let line = read_line(&terminal, prompt);
        termios::tcsetattr(&terminal, SetArg::TCSAFLUSH, &before).context("restoring the terminal")?;
        match line? {
            Some(line) if line.as_bytes().contains(&INTERRUPT) => {
                writeln!(&terminal).context("writing to the terminal")?;
                Ok(None)
            }
            line => Ok(line),
        }
    }
}

/// The line without its end. A terminal hands over one line per read.
fn read_line(mut terminal: &File, prompt: &str) -> Result<Option<String>> {
    write!(terminal, "{prompt}").and_then(|()| terminal.flush()).context("writing to the terminal")?;
    let mut line = [0; LONGEST_LINE];
    let length = loop {
        match terminal.read(&mut line) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read.context("reading from the terminal")?,
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let line = std::str::from_utf8(&line[..length]).context("reading what was typed")?;
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}
