//! Links of nbgitpuller: what they have copied, from where and into which folder, read as nbgitpuller reads them. What can be
//! read in two ways, or leads where nobody would look, is refused.

use hub_core::text::is_unseen;
use percent_encoding::percent_decode_str;

/// Longest text of a link that is shown.
const LONGEST: usize = 1024;

/// Why a link is not followed; for people.
type Refused = &'static str;

/// What a link asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The repository, as git is given it.
    pub repository: String,
    /// The branch; `None`: whichever the repository has first.
    pub branch: Option<String>,
    /// The folder, below the one that the server shows.
    pub folder: String,
    /// What is opened afterwards, below the server's address; `None`: the folder, or something in it.
    pub opens: Option<String>,
    /// Whether what is in the folder is moved aside before.
    pub moves_aside: bool,
    depth: Option<String>,
    backup: Option<String>,
}

impl Pull {
    /// Reads the query of a link to `git-pull`.
    ///
    /// # Errors
    /// Why such a link is followed for nobody.
    pub fn read(query: &str) -> Result<Self, Refused> {
        let fields = Fields::read(query).ok_or("It can't be read: something in it is named twice, or is no text.")?;
        let repository = fields.some("repo").ok_or("It names no repository.")?.to_owned();
        if !is_repository(&repository) {
            return Err("What it names is not the address of a repository.");
        }
        let branch = fields.some("branch").map(str::to_owned);
        if !branch.as_deref().is_none_or(is_branch) {
            return Err("What it names is not a branch.");
        }
        let given = fields.some("targetpath").or_else(|| fields.get("targetPath"));
        let folder = given.or_else(|| repository.trim_end_matches('/').rsplit('/').next()).unwrap_or_default().to_owned();
        check_folder(&folder)?;
        let backup = fields.some("backup").map(str::to_owned);
        Ok(Self {
            branch,
            opens: fields.some("urlpath").or_else(|| fields.some("urlPath")).map(str::to_owned),
            moves_aside: backup.is_some(),
            depth: fields.some("depth").map(str::to_owned),
            repository,
            folder,
            backup,
        })
    }

    /// What the page of this link asks the server to do, the same for every spelling of it.
    pub fn work(&self) -> String {
        let Self { repository, folder, branch, depth, backup, .. } = self;
        work(repository, folder, branch.as_deref(), depth.as_deref(), backup.as_deref())
    }

    /// The machine that the repository comes from; `None`: this one.
    pub fn host(&self) -> Option<&str> {
        let rest = match self.repository.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split(['/', '?', '#', '\\']).next().unwrap_or_default(),
            // user@host:path, as ssh has it
            None => self.repository.split_once(':')?.0,
        };
        Some(rest.rsplit_once('@').map_or(rest, |(_, host)| host))
    }
}

/// What a request for `git-pull/api` with this query makes the server do, as [`Pull::work`] says it; `None`: no page of
/// nbgitpuller asks like that.
pub fn pulled(query: &str) -> Option<String> {
    const KNOWN: [&str; 6] = ["_xsrf", "repo", "targetpath", "branch", "depth", "backup"];
    let fields = Fields::read(query).filter(|fields| fields.0.iter().all(|(name, _)| KNOWN.contains(&name.as_str())))?;
    Some(work(
        fields.some("repo")?,
        fields.some("targetpath")?,
        fields.some("branch"),
        fields.some("depth"),
        fields.some("backup"),
    ))
}

fn work(repository: &str, folder: &str, branch: Option<&str>, depth: Option<&str>, backup: Option<&str>) -> String {
    format!("pull {repository:?} into {folder:?}, {branch:?} {depth:?} {backup:?}")
}

/// What a query says, each once.
struct Fields(Vec<(String, String)>);

impl Fields {
    /// `None`: a name stands there twice, so that two programs could go by different ones, or it is no plain text.
    fn read(query: &str) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name, value.trim().to_owned()));
        }
        Some(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What is there and not empty.
    fn some(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

fn decode(text: &str) -> Option<String> {
    let text = percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned();
    // Marks that nobody sees, or that turn what follows around, would make a page say something else than is done.
    let is_plain = |letter: char| !letter.is_control() && !is_unseen(letter);
    (text.len() <= LONGEST && text.chars().all(is_plain)).then_some(text)
}

/// Whether git is given an address, and neither an option nor the name of a program (`ext::`).
fn is_repository(text: &str) -> bool {
    let scheme = text.split("://").next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\'' | b'`' | b'\\');
    text.bytes().all(is_plain) && !text.starts_with('-') && !scheme.contains("::")
}

/// Whether git is given the name of a branch, and no option.
fn is_branch(text: &str) -> bool {
    !text.starts_with('-') && !text.contains([' ', '~', '^', ':', '?', '*', '[', '\\']) && !text.contains("..")
}

fn check_folder(folder: &str) -> Result<(), Refused> {
    if folder.starts_with('/') {
        return Err("It wants a folder outside of yours.");
    }
    let mut parts = folder.split('/').filter(|part| !part.is_empty()).peekable();
    if parts.peek().is_none() {
        return Err("It names no folder.");
    }
    match parts.any(|part| part.trim_start().starts_with('.')) {
        true => Err("It wants a hidden folder, where settings are kept and programs are started from."),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_links_as_nbgitpuller_does() {
        let whole = Pull::read(
            "repo=https%3A%2F%2Fgit.example%2Fa%2Fcourse&branch=m%C3%A4in&urlpath=lab%2Ftree%2Fcourse%2Fa+b.ipynb&depth=1&utm=x",
        )
        .unwrap();
        assert_eq!((whole.repository.as_str(), whole.branch.as_deref()), ("https://git.example/a/course", Some("mäin")));
        assert_eq!((whole.folder.as_str(), whole.opens.as_deref()), ("course", Some("lab/tree/course/a b.ipynb")));
        assert!(!whole.moves_aside && Pull::read("repo=/srv/class/course&backup=true").unwrap().moves_aside);
        for (query, folder) in [
            ("repo=https://x/a/b.git", "b.git"),
            ("repo=https://x/a/b/", "b"),
            ("repo=https://x/a/b&targetPath=c/d", "c/d"),
            ("repo=https://x/a/b&targetpath=c&targetPath=d", "c"),
            ("repo=https://x/a/b&targetpath=&targetPath=d", "d"),
            ("repo=https://x/a/b&targetpath=", "b"),
        ] {
            assert_eq!(Pull::read(query).unwrap().folder, folder, "{query}");
        }
    }

    #[test]
    fn says_where_it_comes_from() {
        for (repository, host) in [
            ("https://git.example/a", Some("git.example")),
            ("https://git.example@evil.example/a", Some("evil.example")),
            ("https://git.example:443@evil.example:8000/a", Some("evil.example:8000")),
            ("https://evil.example#@git.example/a", Some("evil.example")),
            ("git@git.example:a/b", Some("git.example")),
            ("file:///srv/class/course", None),
            ("/srv/class/course", None),
        ] {
            assert_eq!(Pull::read(&format!("repo={}", repository.replace('#', "%23"))).unwrap().host(), host, "{repository}");
        }
    }

    #[test]
    fn refuses_what_leads_where_nobody_looks() {
        for query in [
            "",
            "repo=",
            "branch=main",
            "repo=https://x/a&repo=https://y/a",
            "repo=https://x/a&targetpath=b&targetpath=.c",
            "repo=%ff",
            "repo=--upload-pack=x",
            "repo=ext::sh",
            "repo=%3Cscript%3Ealert(1)%3C/script%3E",
            "repo=https://x/a&branch=--output=/x",
            "repo=https://x/a&branch=a..b",
            "repo=https://evil.example%5C@git.example/a",
            "repo=ext::sh%20-c%20x://",
            "repo=https://x/a%20b",
            "repo=https://x/a%0a",
            "repo=https://x/a&targetpath=b%E2%80%AEc",
            "repo=https://x/.ipython",
            "repo=https://x/..",
            "repo=https://x/a&targetpath=.ipython/profile_default/startup",
            "repo=https://x/a&targetpath=b/.c",
            "repo=https://x/a&targetpath=b/../.c",
            "repo=https://x/a&targetpath=..",
            "repo=https://x/a&targetpath=.",
            "repo=https://x/a&targetpath=%20.c",
            "repo=https://x/a&targetpath=b/%20.c",
            "repo=https://x/a&targetpath=%2e%63",
            "repo=https://x/a&targetpath=/home/jupyter-ada/b",
            "repo=https://x/a&targetpath=/",
            "repo=https://x/a&targetPath=.c",
        ] {
            let read = Pull::read(query);
            assert!(read.is_err(), "{query}: {read:?}");
        }
    }

    #[test]
    fn what_the_page_asks_for_is_what_was_agreed_to() {
        let agreed = Pull::read("repo=https://x/a&branch=b&targetpath=c+d&urlpath=lab").unwrap().work();
        assert_eq!(pulled("_xsrf=x&repo=https%3A%2F%2Fx%2Fa&targetpath=c+d&branch=b"), Some(agreed.clone()));
        for query in [
            "repo=https://x/a&targetpath=c+d",
            "repo=https://x/a&targetpath=c+d&branch=b&depth=1",
            "repo=https://x/a&targetpath=c+d&branch=b&backup=1",
            "repo=https://x/b&targetpath=c+d&branch=b",
            "repo=https://x/a&targetpath=.c&branch=b",
            "repo=https://x/a&targetpath=c+d&branch=b&targetpath=.c",
            "repo=https://x/a&targetpath=c+d&branch=b&targetPath=.c",
            "repo=https://x/a&branch=b",
        ] {
            assert_ne!(pulled(query), Some(agreed.clone()), "{query}");
        }
        let quoted = Pull::read("repo=https://x/a&targetpath=b%22,None").unwrap().work();
        assert_ne!(pulled("repo=https://x/a%22%20into%20%22b&targetpath=None"), Some(quoted));
    }
}
