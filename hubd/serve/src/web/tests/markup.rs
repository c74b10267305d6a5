//! Reads a page the way browsers do, as far as our pages go: elements, attributes in double quotes or without a value,
//! text. Anything else in a page is a mistake and fails the test.

/// One start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The element without what its attributes hold.
    pub(super) fn shape(&self) -> String {
        let names: Vec<&str> = self.attributes.iter().map(|(name, _)| name.as_str()).collect();
        format!("{} {}", self.name, names.join(" "))
    }
}

/// All elements in order.
pub(super) fn elements(page: &str) -> Vec<Element> {
    parse(page).0
}

/// All text, entities resolved, white space folded.
pub(super) fn text(page: &str) -> String {
    parse(page).1.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(page: &str) -> (Vec<Element>, String) {
    let (mut elements, mut text) = (Vec::new(), String::new());
    let mut rest = page.strip_prefix("<!doctype html>").expect("a page begins with its doctype");
    while let Some(start) = rest.find('<') {
        text.push_str(&resolve(&rest[..start]));
        text.push(' ');
        rest = &rest[start + 1..];
        if let Some(end_tag) = rest.strip_prefix('/') {
            let end = end_tag.find('>').expect("an end tag ends");
            assert!(end_tag[..end].bytes().all(|byte| byte.is_ascii_alphanumeric()), "end tag {:?}", &end_tag[..end]);
            rest = &end_tag[end + 1..];
            continue;
        }
        let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).expect("a tag ends");
        assert!(name_end > 0, "`<` in text: {:?}", &rest[..rest.len().min(40)]);
        let mut element = Element { name: rest[..name_end].to_owned(), attributes: Vec::new() };
        rest = &rest[name_end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let name_end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).expect("an attribute ends");
            assert!(name_end > 0, "attribute {:?}", &rest[..rest.len().min(40)]);
            let name = rest[..name_end].to_owned();
            rest = &rest[name_end..];
            let mut value = "";
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let end = quoted.find('"').expect("a value ends");
                value = &quoted[..end];
                rest = &quoted[end + 1..];
            }
            assert!(rest.starts_with(['>', ' ', '\n']), "after attribute {name}: {:?}", &rest[..rest.len().min(40)]);
            assert!(element.attributes.iter().all(|(known, _)| *known != name), "attribute {name} twice");
            element.attributes.push((name, resolve(value)));
        }
        elements.push(element);
    }
    text.push_str(rest);
    (elements, text)
}

fn resolve(text: &str) -> String {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        resolved.push_str(&rest[..start]);
        let end = start + rest[start..].find(';').expect("an entity ends");
        let number = rest[start + 1..end].strip_prefix('#').expect("entities are numbers");
        let number = number.strip_prefix('x').map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16));
        resolved.push(char::from_u32(number.unwrap()).unwrap());
        rest = &rest[end + 1..];
    }
    resolved + rest
}
