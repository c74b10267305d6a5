//! How far a download is, in uv's own words: it names what is larger than a megabyte, with its size, when it begins and when
//! it is there. Pure.

use std::collections::BTreeMap;

use hub_core::packages::Download;

const UNITS: [(&str, f64); 4] = [("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0), ("B", 1.0)];

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    under_way: BTreeMap<String, u64>,
    bytes: u64,
    total_bytes: u64,
}

impl Downloads {
    /// How far it is after `line`; `None`: that is about something else.
    pub(super) fn hear(&mut self, line: &str) -> Option<Download> {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Downloading ") {
            let (name, size) = rest.strip_suffix(')')?.rsplit_once(" (")?;
            let size = size_of(size)?;
            self.total_bytes = self.total_bytes.saturating_add(size);
            self.under_way.insert(name.to_owned(), size);
        } else {
            let size = self.under_way.remove(line.strip_prefix("Downloaded ")?)?;
            self.bytes = self.bytes.saturating_add(size);
        }
        let packages = self.under_way.keys().cloned().collect();
        Some(Download { bytes: self.bytes, total_bytes: self.total_bytes, packages })
    }
}

/// `11.8MiB` in bytes.
fn size_of(text: &str) -> Option<u64> {
    let (number, factor) = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: f64 = number.trim().parse().ok()?;
    // A size that nobody has becomes the largest there is.
    (number >= 0.0).then_some((number * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uv_says_becomes_bytes() {
        let mut downloads = Downloads::default();
        for (line, expected) in [
            ("Resolved 98 packages in 445ms", None),
            ("Downloading pandas (11.8MiB)", Some("0 kB of 12 MB: pandas")),
            ("Downloading numpy (16.0MiB)", Some("0 kB of 28 MB: numpy, pandas")),
            ("Downloading (4.0MiB)", None),
            ("Downloading x (about a MiB)", None),
            (" Downloaded pandas", Some("12 MB of 28 MB: numpy")),
            (" Downloaded pandas", None),
            (" Downloaded numpy", Some("28 MB of 28 MB")),
            ("Downloading torch (1.5GiB)", Some("28 MB of 1.5 GB: torch")),
            ("Prepared 98 packages in 6.51s", None),
        ] {
            let heard = downloads.hear(line).map(|download| download.to_string());
            assert_eq!(heard.as_deref(), expected, "{line}");
        }
        let many = Download { packages: ["a", "b", "c", "d"].map(str::to_owned).into(), ..Download::default() };
        assert!(many.to_string().ends_with(": a, b, c and 1 more"), "{many}");
    }

    #[test]
    fn sizes_are_read_as_uv_writes_them() {
        for (text, bytes) in
            [("512B", Some(512)), ("1.5KiB", Some(1536)), ("2.0GiB", Some(2 << 30)), ("-1KiB", None), ("7", None)]
        {
            assert_eq!(size_of(text), bytes, "{text}");
        }
    }
}
