use super::check;

/// The files of a crate that has just these modules.
fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let at = |(name, text): &(&str, &str)| (format!("hubd/serve/src/{name}"), (*text).to_owned());
    files.iter().map(at).collect()
}

#[test]
fn files_that_use_each_other_are_named() {
    let mut tree = [
        ("lib.rs", "mod web;"),
        ("web.rs", "mod error;\npub mod frame;\nmod login;"),
        ("web/error.rs", "use super::frame::Frame;"),
        ("web/frame.rs", "use super::{login, Hub};"),
        ("web/login.rs", ""),
    ];
    assert_eq!(check(&files(&tree)), Vec::<String>::new());
    tree[4].1 = "fn answer() -> crate::web::error::Problem {}";
    assert_eq!(
        check(&files(&tree)),
        ["a circle of web::error, web::frame, web::login: hubd/serve/src/web/error.rs uses web::frame; \
          hubd/serve/src/web/frame.rs uses web::login; hubd/serve/src/web/login.rs uses web::error"]
    );
}

#[test]
fn folders_are_one_thing_with_what_is_in_them() {
    let tree = [
        ("main.rs", "mod bundle; mod pyenv;"),
        ("bundle.rs", "mod making; mod store;"),
        ("bundle/making.rs", "use crate::pyenv;"),
        ("bundle/store.rs", ""),
        ("pyenv.rs", "mod network;"),
        ("pyenv/network.rs", "use crate::bundle::store::{self, wheels};"),
    ];
    assert_eq!(
        check(&files(&tree)),
        [
            "a circle of bundle, pyenv: hubd/serve/src/bundle/making.rs uses pyenv; hubd/serve/src/pyenv/network.rs uses bundle::store"
        ]
    );
    let mut apart = tree;
    apart[5].1 = "";
    assert_eq!(check(&files(&apart)), Vec::<String>::new());
}

#[test]
fn parent_and_child_may_use_each_other() {
    let tree = [
        ("lib.rs", "mod web; pub use web::Hub; struct World;"),
        ("web.rs", "mod people; use people::list; pub struct Hub;"),
        ("web/people.rs", "mod list; use super::Hub; use crate::World;"),
        ("web/people/list.rs", "use crate::web::Hub; use super::super::people;"),
    ];
    assert_eq!(check(&files(&tree)), Vec::<String>::new());
}

/// Whether a circle is found when `a` has `text` and `b` uses it.
fn is_red(text: &str) -> bool {
    !check(&files(&[("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "use crate::a;")])).is_empty()
}

#[test]
fn whatever_way_it_is_used() {
    for text in [
        "use crate::b;",
        "use super::b::*;",
        "pub(crate) use crate::{c::C, b::{self as other, B}};",
        "fn f() { { crate::b::f() } }",
        "fn f() { bail!(\"{}\", super::b::f()) }",
        "fn f() -> impl Sized + use<'_> { crate::b::f() }",
        "mod inner { use super::super::b; }",
        "#[cfg(test)] use std::{io, fs}; use crate::b;",
        "struct A { #[cfg(test)] moved: Map<A, B>, other: crate::b::B }",
        "#[cfg(test)] fn f<A, B>() -> A {} fn g() { crate::b::f() }",
        "#[cfg(test)] mod tests; use crate::b;",
    ] {
        assert!(is_red(text), "{text}");
    }
}

#[test]
fn what_is_no_use_of_it_is_none() {
    for text in [
        "",
        "//! See `crate::b`.\n/// As crate::b::f() does.\nfn f() { let text = \"crate::b\"; }",
        "use std::b; use other::crate_b;",
        "mod inner { use super::b; } fn b() {}",
        "#[cfg(test)] mod tests { use crate::b; }",
        "#[cfg(test)] use crate::b::{B, C};",
        "impl A { #[cfg(test)] pub(crate) fn f<X, Y>(&self) -> B { crate::b::f() } }",
        "struct A { #[cfg(test)] moved: crate::b::B, other: u32 }",
        "#[cfg(test)] mod tests;",
    ] {
        assert!(!is_red(text), "{text}");
    }
}

#[test]
fn files_that_only_tests_have_are_left_out() {
    let tree = [("lib.rs", "mod a; #[cfg(test)] mod fake;"), ("a.rs", "use crate::fake;"), ("fake.rs", "use crate::a;")];
    assert_eq!(check(&files(&tree)), Vec::<String>::new());
}

#[test]
fn what_is_not_rust_is_named() {
    let found = check(&files(&[("lib.rs", "mod a; }")]));
    assert!(found.len() == 1 && found[0].starts_with("hubd/serve/src/lib.rs: "), "{found:?}");
}

#[test]
fn what_is_passed_on_is_at_home_where_it_comes_from() {
    for passed_on in ["pub use roles::Role;", "pub(crate) use self::roles::Role;", "use roles::Office as Role;"] {
        let tree = [
            ("lib.rs", "mod config;"),
            ("config.rs", &format!("mod limits; mod roles; {passed_on}")),
            ("config/limits.rs", "use super::Role; pub struct Limits;"),
            ("config/roles.rs", "use super::limits::Limits; pub struct Role; pub struct Office;"),
        ];
        assert_eq!(
            check(&files(&tree)),
            ["a circle of config::limits, config::roles: hubd/serve/src/config/limits.rs uses config::roles; \
              hubd/serve/src/config/roles.rs uses config::limits"],
            "{passed_on}"
        );
    }
}

#[test]
fn names_that_lead_back_to_themselves_have_an_end() {
    let tree = [("lib.rs", "mod a; mod b;"), ("a.rs", "pub use crate::b::X;"), ("b.rs", "pub use crate::a::X;")];
    assert_eq!(check(&files(&tree)).len(), 1);
}
