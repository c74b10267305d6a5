//! Reads along with what a client sends and finds what can be read in two ways, where one program sees one request and
//! the next program sees two. Pure; hyper parses the same bytes afterwards and is lenient in these places.

/// Largest head of a request, bytes. So large because a page of somebody's server can fill their browser with cookies:
/// then there must be a page that says so and lets them get rid of those.
pub(super) const LARGEST_HEAD: usize = 512 * 1024;

/// A head larger than this is rare, and only a few may be on their way at a time.
const USUAL_HEAD: usize = 16 * 1024;

/// Longest line that gives a chunk's size, with extensions that nobody uses.
const LONGEST_CHUNK_LINE: usize = 1024;

/// Most bytes of fields after a chunked body.
const LARGEST_TRAILER: usize = 8 * 1024;

/// Which part of a request comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing of a request has come yet.
    Between,
    /// The head has begun.
    Head,
    /// The head is complete, the body is not.
    Body,
}

/// From this byte on the input must not be believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    /// How many bytes before it are still good.
    pub at: usize,
}

/// The reader; one per connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of the current head or trailer so far.
    size: usize,
    length: Option<u64>,
    is_chunked: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    RequestLine,
    Fields,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// The head is larger than allowed: hyper counts too and says so to the client.
    TooLarge,
}

impl Framing {
    /// Whether the head that is being read is larger than heads usually are.
    pub(super) fn is_in_large_head(&self) -> bool {
        self.size > USUAL_HEAD && matches!(self.state, State::RequestLine | State::Fields)
    }

    /// Where the reader is.
    pub(super) fn place(&self) -> Place {
        match self.state {
            State::RequestLine if self.line.is_empty() => Place::Between,
            State::RequestLine | State::Fields | State::TooLarge => Place::Head,
            _ => Place::Body,
        }
    }

    /// Reads the next bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<(), Ambiguous> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.state {
                State::TooLarge => return Ok(()),
                State::Body(left) => {
                    let (skipped, left) = skip(&mut rest, left);
                    debug_assert!(skipped > 0);
                    self.state = if left == 0 { State::RequestLine } else { State::Body(left) };
                }
                State::Chunk(left) => {
                    let (_, left) = skip(&mut rest, left);
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                }
                _ => {
                    let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                    let here = bytes.len() - rest.len();
                    self.read_line(&mut rest, end).map_err(|()| Ambiguous { at: end.map_or(here, |end| here + end - 1) })?;
                }
            }
        }
        Ok(())
    }

    /// Takes a line, or what there is of it, off `rest`.
    fn read_line(&mut self, rest: &mut &[u8], end: Option<usize>) -> Result<(), ()> {
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        *rest = after;
        self.size += piece.len();
        let is_within = match self.state {
            State::RequestLine | State::Fields if self.size > LARGEST_HEAD => {
                self.state = State::TooLarge;
                return Ok(());
            }
            State::ChunkSize => self.line.len() + piece.len() <= LONGEST_CHUNK_LINE,
            State::ChunkEnd => self.line.len() + piece.len() <= 2,
            State::Trailer => self.size <= LARGEST_TRAILER,
            _ => true,
        };
        if !is_within {
            return Err(());
        }
        if end.is_none() {
            self.line.extend_from_slice(piece);
            return Ok(());
        }
        if self.line.is_empty() {
            return self.accept(piece);
        }
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(piece);
        self.accept(&whole)
    }

    /// Reads one whole line, which ends with a line feed.
    fn accept(&mut self, line: &[u8]) -> Result<(), ()> {
        let text = line.strip_suffix(b"\r\n").ok_or(())?;
        if text.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(());
        }
        match self.state {
            // Empty lines before a request are allowed.
            State::RequestLine if text.is_empty() => {}
            State::RequestLine if text.contains(&b'#') => return Err(()),
            State::RequestLine => {
                (self.length, self.is_chunked) = (None, false);
                self.state = State::Fields;
            }
            State::Fields if text.is_empty() => {
                self.state = self.after_head()?;
                self.size = 0;
            }
            State::Fields => self.note_field(text)?,
            State::ChunkSize => {
                let size = chunk_size(text).ok_or(())?;
                self.size = 0;
                self.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
            }
            State::ChunkEnd if text.is_empty() => self.state = State::ChunkSize,
            State::Trailer if text.is_empty() => {
                self.state = State::RequestLine;
                self.size = 0;
            }
            State::Trailer => {
                field(text)?;
            }
            _ => return Err(()),
        }
        Ok(())
    }

    fn note_field(&mut self, text: &[u8]) -> Result<(), ()> {
        let (name, value) = field(text)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value).ok_or(())?;
            if self.length.replace(length).is_some() {
                return Err(());
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(());
            }
            self.is_chunked = true;
        }
        Ok(())
    }

    fn after_head(&self) -> Result<State, ()> {
        match (self.length, self.is_chunked) {
            (Some(_), true) => Err(()),
            (None, true) => Ok(State::ChunkSize),
            (None | Some(0), false) => Ok(State::RequestLine),
            (Some(length), false) => Ok(State::Body(length)),
        }
    }
}

/// Takes up to `left` bytes off `rest`; how many that were, and how many are left to take.
fn skip(rest: &mut &[u8], left: u64) -> (usize, u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    *rest = &rest[count..];
    (count, left - count as u64)
}

/// Splits a field into its name and its value.
fn field(text: &[u8]) -> Result<(&[u8], &[u8]), ()> {
    let colon = text.iter().position(|byte| *byte == b':').ok_or(())?;
    let name = &text[..colon];
    if name.is_empty() || name.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Err(());
    }
    Ok((name, text[colon + 1..].trim_ascii()))
}

fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_number { str::from_utf8(text).ok()?.parse().ok() } else { None }
}

fn chunk_size(text: &[u8]) -> Option<u64> {
    let digits = text.split(|byte| *byte == b';').next().unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.len() <= 15 && digits.iter().all(u8::is_ascii_hexdigit);
    if is_hex { u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok() } else { None }
}

#[cfg(test)]
mod tests;
