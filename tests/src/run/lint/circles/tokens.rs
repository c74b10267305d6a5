//! What a file declares and uses, from its tokens. Comments and strings are none, and what only tests have is left out.

use std::str::FromStr;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// What is read from one file.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Modules that are files of their own.
    pub(super) declared: Vec<Vec<String>>,
    /// Paths within the crate, from its root on; what they end in may be an item.
    pub(super) uses: Vec<Vec<String>>,
    /// What it imports: whoever uses that from there uses what it stands for.
    pub(super) imports: Vec<Import>,
}

/// A name that a module imports.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) module: Vec<String>,
    pub(super) name: String,
    /// What it stands for, from the root of the crate on; it may be in another crate.
    pub(super) meant: Vec<String>,
}

/// One path of a tree of imports, and what it is called here.
struct Branch {
    path: Vec<String>,
    name: String,
}

impl Outline {
    /// Reads `text`, which is the module `module`.
    ///
    /// # Errors
    /// When it is not Rust.
    pub(super) fn read(text: &str, module: &[String]) -> Result<Self, LexError> {
        let mut outline = Self::default();
        outline.walk(TokenStream::from_str(text)?, module);
        Ok(outline)
    }

    /// `place` is the module that the tokens are in: the file's own, or one within it.
    fn walk(&mut self, tokens: TokenStream, place: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some(first) = rest.first() {
            rest = match first {
                TokenTree::Punct(_) if is_for_tests(rest) => after_item(&rest[2..]),
                TokenTree::Ident(word) if word == "mod" => self.module(rest, place),
                TokenTree::Ident(word) if word == "use" => self.import(rest, place),
                TokenTree::Ident(_) => self.path(rest, place),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), place);
                    &rest[1..]
                }
                _ => &rest[1..],
            };
        }
    }

    /// `mod NAME;` or `mod NAME { ... }`.
    fn module<'a>(&mut self, tokens: &'a [TokenTree], place: &[String]) -> &'a [TokenTree] {
        let [_, TokenTree::Ident(name), ended, rest @ ..] = tokens else { return &tokens[1..] };
        let module = [place, &[name.to_string()]].concat();
        match ended {
            TokenTree::Group(content) => self.walk(content.stream(), &module),
            _ => self.declared.push(module),
        }
        rest
    }

    /// `use TREE;`, or `use<...>`, which says something else.
    fn import<'a>(&mut self, tokens: &'a [TokenTree], place: &[String]) -> &'a [TokenTree] {
        let end = tokens.iter().position(|token| is(token, ';'));
        let Some(end) = end.filter(|_| !is(&tokens[1], '<')) else { return &tokens[1..] };
        let mut found = Vec::new();
        branches(&tokens[1..end], &[], &mut found);
        for Branch { path, name } in found {
            let found = from_root(&path, place);
            self.uses.extend(found.clone());
            // What begins with another name is below this module, or in another crate.
            let meant = found.unwrap_or_else(|| [place, &path].concat());
            self.imports.push(Import { module: place.to_vec(), name, meant });
        }
        &tokens[end + 1..]
    }

    /// A path in the middle of code.
    fn path<'a>(&mut self, tokens: &'a [TokenTree], place: &[String]) -> &'a [TokenTree] {
        let (path, rest) = names(tokens);
        self.uses.extend(from_root(&path, place).filter(|_| path.len() > 1));
        rest
    }
}

/// The paths of a tree of imports.
fn branches(tokens: &[TokenTree], before: &[String], found: &mut Vec<Branch>) {
    for branch in tokens.split(|token| is(token, ',')).filter(|branch| !branch.is_empty()) {
        let (path, rest) = names(branch);
        let mut path = [before, &path].concat();
        let group = rest.iter().find_map(|token| match token {
            TokenTree::Group(group) => Some(group.stream().into_iter().collect::<Vec<_>>()),
            _ => None,
        });
        match group {
            Some(group) => branches(&group, &path, found),
            None => {
                // `a::{self}` is `a`.
                if !before.is_empty() {
                    path.pop_if(|last| last == "self");
                }
                let own = path.last().cloned().unwrap_or_default();
                let name = match rest {
                    [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "as" => name.to_string(),
                    _ => own,
                };
                found.push(Branch { path, name });
            }
        }
    }
}

/// The names at the beginning, with `::` between them, and what follows.
fn names(tokens: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let (mut path, mut rest) = (Vec::new(), tokens);
    while let [TokenTree::Ident(name), after @ ..] = rest {
        path.push(name.to_string());
        rest = after;
        match rest {
            [one, other, TokenTree::Ident(_), ..] if is(one, ':') && is(other, ':') => rest = &rest[2..],
            _ => break,
        }
    }
    (path, rest)
}

/// `path`, as written in the module `place`, from the root of the crate on; `None`: it begins with another name.
fn from_root(path: &[String], place: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let base = match path.first()?.as_str() {
        "crate" => &[],
        "self" => place,
        "super" => &place[..place.len().saturating_sub(ups)],
        _ => return None,
    };
    Some([base, &path[ups.max(1)..]].concat())
}

/// Whether `#[cfg(test)]` stands here.
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [sign, TokenTree::Group(attribute), ..] = tokens else { return false };
    is(sign, '#') && attribute.delimiter() == Delimiter::Bracket && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// What follows the item, field or arm that begins here. Where that is not clear, some of it is taken as code of the product.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let mut angles = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let is_after = |sign| before.is_some_and(|before| is(before, sign));
        match token {
            TokenTree::Punct(sign) if sign.as_char() == '<' => angles += 1,
            TokenTree::Punct(sign) if sign.as_char() == '>' && !is_after('-') && !is_after('=') => {
                angles = angles.saturating_sub(1);
            }
            TokenTree::Punct(sign) if sign.as_char() == ';' || sign.as_char() == ',' && angles == 0 => return &tokens[at + 1..],
            // The braces of an import follow a colon.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !is_after(':') => return &tokens[at + 1..],
            _ => {}
        }
    }
    &[]
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}
