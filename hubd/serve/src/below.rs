//! What a path below `/user/NAME/` leads to, and what a link there may do that a person followed. Pure.

mod pull;

pub use pull::{Pull, pulled};

/// What a path below `/user/NAME/` leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same for everybody: scripts, styles, icons.
    Static,
    /// A page that JupyterLab or Notebook lives in.
    Page,
    /// A file, a page made of one, or an old address that only leads to another.
    File,
    /// What pages use: kernels, terminals, contents, settings.
    Interface,
    /// nbgitpuller, which copies a repository for whoever asks, and knows of no key.
    Pull,
    /// Anything else: programs behind jupyter-server-proxy, which know of no key.
    App,
}

/// What becomes of a link that a person followed, as long as nobody knows that it is on one of their own pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It only shows something.
    Shown,
    /// It may do something: the person is asked first.
    Asked,
    /// It is for programs, and nothing for a link.
    Refused,
}

/// What `path`, below `/user/NAME/`, leads to.
pub fn kind(path: &str) -> Kind {
    let mut parts = path.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (first, second, parts.next()) {
        ("static" | "kernelspecs" | "nbextensions" | "custom" | "favicon.ico", ..) => Kind::Static,
        ("lab", "static" | "extensions", _) | ("lab", "api", Some("themes")) | ("git-pull", "static", _) => Kind::Static,
        ("api" | "lsp" | "metrics" | "git", ..) | ("lab", "api", _) | ("terminals", "websocket", _) => Kind::Interface,
        ("files" | "nbconvert" | "git-sync" | "interact", ..) => Kind::File,
        ("git-pull", ..) => Kind::Pull,
        ("" | "lab" | "doc" | "tree" | "notebooks" | "edit" | "consoles" | "terminals" | "view", ..) => Kind::Page,
        _ => Kind::App,
    }
}

/// What becomes of a link to `path`, below `/user/NAME/`.
pub fn followed(path: &str) -> Followed {
    let mut parts = path.split('/');
    match (kind(path), parts.next(), parts.next()) {
        (Kind::Interface, ..) | (Kind::App | Kind::Pull, _, Some("api")) => Followed::Refused,
        // Which program converts is named in the address, and any that Python can import will do.
        (Kind::App | Kind::Pull, ..) | (_, Some("nbconvert"), _) => Followed::Asked,
        (Kind::Static | Kind::Page | Kind::File, ..) => Followed::Shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_shows_or_asks_or_is_refused() {
        for (path, expected) in [
            ("", Followed::Shown),
            ("lab", Followed::Shown),
            ("lab/tree/a.ipynb", Followed::Shown),
            ("lab/workspaces/a", Followed::Shown),
            ("tree/a", Followed::Shown),
            ("notebooks/a.ipynb", Followed::Shown),
            ("terminals/1", Followed::Shown),
            ("consoles/a", Followed::Shown),
            ("view/a", Followed::Shown),
            ("files/a.html", Followed::Shown),
            ("files/api/a", Followed::Shown),
            ("lab/static/x.js", Followed::Shown),
            ("git-pull/static/dist/bundle.js", Followed::Shown),
            ("git-sync", Followed::Shown),
            ("interact", Followed::Shown),
            ("git-pull", Followed::Asked),
            ("git-pull/", Followed::Asked),
            ("nbconvert/html/a.ipynb", Followed::Asked),
            ("proxy/8501/", Followed::Asked),
            ("proxy/8501/api", Followed::Asked),
            ("rstudio", Followed::Asked),
            ("voila/render/a.ipynb", Followed::Asked),
            ("login", Followed::Asked),
            ("git%2Dpull/api", Followed::Refused),
            ("git-pull/api", Followed::Refused),
            ("git-pull/api/", Followed::Refused),
            ("nbdime/api/diff", Followed::Refused),
            ("api/contents", Followed::Refused),
            ("api/shutdown", Followed::Refused),
            ("lab/api/settings", Followed::Refused),
            ("terminals/websocket/1", Followed::Refused),
            ("git/clone", Followed::Refused),
            ("lsp/status", Followed::Refused),
            ("metrics", Followed::Refused),
        ] {
            assert_eq!(followed(path), expected, "{path}");
        }
    }
}
