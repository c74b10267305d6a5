//! Properties of a transient unit: plain values of the types systemd expects, judged before they are sent.

use std::net::IpAddr;

use zbus::Variant;

use hub_core::config::AddressRange;

/// One property of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// systemd's name of it.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// A value, named after what it is rather than after its D-Bus signature.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `i`
    Signed(i32),
    /// `u`
    Mode(u32),
    /// `t`: bytes, microseconds, weights, bit sets.
    Number(u64),
    /// `s`
    Text(String),
    /// `as`
    List(Vec<String>),
    /// `a(sasb)`: one program and its arguments, of which the first is the program. systemd expands variables in them, so
    /// none may have a `$`. (`ExecStartEx` would not expand, but systemd 252 writes it into the unit's file in a way that
    /// it can't read at the next `daemon-reload`, which every package upgrade does: the running unit then loses all it
    /// depends on.)
    Program(Vec<String>),
    /// `(bas)`: only these (`true`) or all but these.
    Filter(bool, Vec<String>),
    /// `a(ss)`: places and their options.
    Places(Vec<(String, String)>),
    /// `a(ssbt)`
    Binds(Vec<Bind>),
    /// `a(iayu)`: added to those before; none at all takes those away.
    Addresses(Vec<AddressRange>),
}

/// A directory or file that is shown at another place, or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// What.
    pub source: String,
    /// Where.
    pub target: String,
    /// Whether it is left out when there is nothing at `source`.
    pub optional: bool,
}

/// A value that must not reach systemd.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("property {property} of a unit has {text:?}; expected text without {unwanted}")]
pub struct PropertyError {
    property: &'static str,
    text: String,
    unwanted: &'static str,
}

/// `MS_REC`: what is mounted below comes along.
const RECURSIVE: u64 = 16384;

impl Property {
    /// A property; whether it is fit to be sent is judged by [`Property::check`].
    pub fn new(name: &'static str, value: impl Into<Value>) -> Self {
        Self { name, value: value.into() }
    }

    /// systemd 252 writes some properties into a file as they are, so that a line break would begin a line of its own
    /// in it (`ExecStartPre=+...`), which runs as root. Nothing with a control character is ever sent.
    ///
    /// # Errors
    /// When a text in the value has one, or an argument of a program would be expanded.
    pub fn check(&self) -> Result<(), PropertyError> {
        let refused = |text: &str, unwanted| PropertyError { property: self.name, text: text.to_owned(), unwanted };
        for text in self.value.texts() {
            if text.chars().any(char::is_control) {
                return Err(refused(text, "control characters"));
            }
            if matches!(self.value, Value::Program(_)) && text.contains(['$', '%']) {
                return Err(refused(text, "`$` and `%`"));
            }
        }
        Ok(())
    }

    pub(super) fn to_variant(&self) -> Variant<'static> {
        match &self.value {
            Value::Bool(value) => (*value).into(),
            Value::Signed(value) => (*value).into(),
            Value::Mode(value) => (*value).into(),
            Value::Number(value) => (*value).into(),
            Value::Text(value) => value.clone().into(),
            Value::List(value) => value.clone().into(),
            Value::Program(argv) => {
                let program = argv.first().cloned().unwrap_or_default();
                vec![(program, argv.clone(), false)].into()
            }
            Value::Filter(only, items) => (*only, items.clone()).into(),
            Value::Places(places) => places.clone().into(),
            Value::Binds(binds) => {
                let binds: Vec<(String, String, bool, u64)> =
                    binds.iter().map(|bind| (bind.source.clone(), bind.target.clone(), bind.optional, RECURSIVE)).collect();
                binds.into()
            }
            Value::Addresses(ranges) => {
                let ranges: Vec<(i32, Vec<u8>, u32)> = ranges.iter().map(|range| range_to_tuple(*range)).collect();
                ranges.into()
            }
        }
    }
}

impl Value {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Bool(_) | Self::Signed(_) | Self::Mode(_) | Self::Number(_) | Self::Addresses(_) => Vec::new(),
            Self::Text(text) => vec![text],
            Self::List(texts) | Self::Program(texts) | Self::Filter(_, texts) => texts.iter().map(String::as_str).collect(),
            Self::Places(places) => places.iter().flat_map(|(place, options)| [place.as_str(), options.as_str()]).collect(),
            Self::Binds(binds) => binds.iter().flat_map(|bind| [bind.source.as_str(), bind.target.as_str()]).collect(),
        }
    }
}

/// Family, bytes, and how many bits count.
fn range_to_tuple(range: AddressRange) -> (i32, Vec<u8>, u32) {
    let prefix = u32::from(range.prefix());
    match range.address() {
        IpAddr::V4(address) => (nix::libc::AF_INET, address.octets().to_vec(), prefix),
        IpAddr::V6(address) => (nix::libc::AF_INET6, address.octets().to_vec(), prefix),
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Signed(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::List(value)
    }
}

impl<const N: usize> From<[&str; N]> for Value {
    fn from(value: [&str; N]) -> Self {
        Self::List(value.into_iter().map(str::to_owned).collect())
    }
}

impl From<Vec<Bind>> for Value {
    fn from(value: Vec<Bind>) -> Self {
        Self::Binds(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str) -> Bind {
        Bind { source: source.to_owned(), target: "/t".to_owned(), optional: false }
    }

    #[test]
    fn values_have_the_types_that_systemd_expects() {
        let text = |text: &str| text.to_owned();
        for (value, signature) in [
            (Value::Bool(true), "b"),
            (Value::Signed(1), "i"),
            (Value::Mode(0o77), "u"),
            (Value::Number(1), "t"),
            (Value::Text(text("x")), "s"),
            (Value::List(vec![]), "as"),
            (Value::Program(vec![text("/bin/true"), text("--help")]), "a(sasb)"),
            (Value::Filter(true, vec![]), "(bas)"),
            (Value::Places(vec![]), "a(ss)"),
            (Value::Binds(vec![bind("/s")]), "a(ssbt)"),
        ] {
            assert_eq!(Property::new("X", value.clone()).to_variant().value_signature().to_string(), signature, "{value:?}");
        }
    }

    #[test]
    fn no_line_break_reaches_a_unit_file() {
        let evil = || "/\nExecStartPre=+/bin/touch /tmp/p".to_owned();
        for value in [
            Value::Text(evil()),
            Value::Text("a\rb".to_owned()),
            Value::Text("a\0b".to_owned()),
            Value::Text("a\u{85}b".to_owned()),
            Value::List(vec!["fine".to_owned(), evil()]),
            Value::Program(vec!["/bin/true".to_owned(), evil()]),
            Value::Filter(true, vec![evil()]),
            Value::Places(vec![("/run".to_owned(), evil())]),
            Value::Places(vec![(evil(), "ro".to_owned())]),
            Value::Binds(vec![bind(&evil())]),
            Value::Binds(vec![Bind { target: evil(), ..bind("/s") }]),
        ] {
            assert!(Property::new("X", value.clone()).check().is_err(), "{value:?} was accepted");
        }
        assert_eq!(Property::new("Description", "JupyterLab of ada").check(), Ok(()));
    }

    #[test]
    fn no_argument_is_expanded_by_systemd() {
        for argument in ["$HOME", "${HOME}", "a$b", "%n"] {
            let program = Value::Program(vec!["/bin/echo".to_owned(), argument.to_owned()]);
            let error = Property::new("ExecStart", program).check().unwrap_err().to_string();
            assert!(error.ends_with("expected text without `$` and `%`"), "{error}");
        }
    }
}
