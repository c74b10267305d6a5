//! Files that people give in place of a text: the spreadsheet itself, a PDF of it, the login page that was downloaded. Pure.

/// A kind of file that is no plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What Excel and LibreOffice Calc save: a ZIP file, or the format before it.
    Spreadsheet,
    /// What Word and LibreOffice Writer save, and TextEdit of a Mac.
    Document,
    /// PDF.
    Pdf,
    /// Another ZIP file, or gzip.
    Compressed,
    /// HTML: as a rule a login page, or an error.
    WebPage,
}

impl Kind {
    /// What `bytes` are, by how they begin; `None`: they may be text.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |with: &[u8]| bytes.starts_with(with);
        match () {
            () if begins(b"PK\x03\x04") => Some(Self::of_zip(bytes)),
            // Word before 2007 begins like this, too; for a list of anything it is the rarer one.
            () if begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") => Some(Self::Spreadsheet),
            () if begins(b"{\\rtf") => Some(Self::Document),
            () if begins(b"%PDF-") => Some(Self::Pdf),
            () if begins(b"\x1f\x8b") => Some(Self::Compressed),
            () if is_page(bytes) => Some(Self::WebPage),
            () => None,
        }
    }

    /// A ZIP file has the names of its files in clear.
    fn of_zip(bytes: &[u8]) -> Self {
        let has = |name: &str| bytes.windows(name.len()).any(|part| part == name.as_bytes());
        match () {
            () if has("xl/") || has("opendocument.spreadsheet") => Self::Spreadsheet,
            () if has("word/") || has("opendocument.text") => Self::Document,
            () => Self::Compressed,
        }
    }

    /// With its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spreadsheet => "a spreadsheet (as .xlsx, .ods and .xls are)",
            Self::Document => "a document (as .docx, .odt and .rtf are)",
            Self::Pdf => "a PDF",
            Self::Compressed => "a compressed file",
            Self::WebPage => "a web page",
        }
    }

    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Spreadsheet => "open it in the spreadsheet program, choose \"Save as\" and \"CSV UTF-8\", and give that file",
            Self::Document => "open it, choose \"Save as\" and plain text (UTF-8), and give that file",
            Self::Pdf => "get it as CSV or plain text from where it was made",
            Self::Compressed => "unpack it, and give the file that is in it",
            Self::WebPage => {
                "it came in place of the file, mostly because the site wanted a login; download it in a browser and look into it"
            }
        }
    }
}

fn is_page(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|tag| bytes.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_by_how_it_begins() {
        for (bytes, kind) in [
            (&b"PK\x03\x04\x14\0[Content_Types].xml\0xl/workbook.xml"[..], Some(Kind::Spreadsheet)),
            (b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet", Some(Kind::Spreadsheet)),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", Some(Kind::Spreadsheet)),
            (b"PK\x03\x04\x14\0[Content_Types].xml\0word/document.xml", Some(Kind::Document)),
            (b"{\\rtf1\\ansi ada\\par}", Some(Kind::Document)),
            (b"PK\x03\x04\x14\0class.csv", Some(Kind::Compressed)),
            (b"\x1f\x8b\x08", Some(Kind::Compressed)),
            (b"%PDF-1.7\n", Some(Kind::Pdf)),
            (b"\n <!DOCTYPE HTML>\n<html>", Some(Kind::WebPage)),
            (b"<html lang=\"en\">", Some(Kind::WebPage)),
            (b"PK\nada\n", None),
            (b"<htm", None),
            (b"username,password\n", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
