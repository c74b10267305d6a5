//! What a person's unix account may be called: readable, valid everywhere, and never the answer to who it belongs to
//! (that is the table's work, so that two names that look alike can't meet in one account).

use hub_core::accounts::Username;

/// Longest name that every tool accepts.
const LONGEST: usize = 32;
/// After this many taken names something is wrong with the machine, not with the name.
const MOST: u32 = 1000;

/// Names for `name`'s account, best first.
pub fn account_names(prefix: &str, name: &Username) -> impl Iterator<Item = String> {
    // A dot is not allowed in account names everywhere; every other character of a `Username` is.
    let plain = format!("{prefix}{name}").replace('.', "-");
    (1..=MOST).map(move |number| match number {
        1 => shorten(&plain, LONGEST).to_owned(),
        number => {
            let suffix = format!("-{number}");
            format!("{}{suffix}", shorten(&plain, LONGEST - suffix.len()))
        }
    })
}

fn shorten(text: &str, longest: usize) -> &str {
    text[..text.len().min(longest)].trim_end_matches(['-', '_'])
}

/// Whether `text` can be the name of an account that we made.
pub(super) fn is_account_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(prefix: &str, name: &str, count: usize) -> Vec<String> {
        account_names(prefix, &name.parse().unwrap()).take(count).collect()
    }

    #[test]
    fn prefix_and_name_when_that_is_an_account_name() {
        assert_eq!(first("jupyter-", "ada", 3), ["jupyter-ada", "jupyter-ada-2", "jupyter-ada-3"]);
    }

    #[test]
    fn a_dot_becomes_a_dash() {
        assert_eq!(first("jupyter-", "ada.lovelace", 1), ["jupyter-ada-lovelace"]);
    }

    #[test]
    fn a_long_name_is_cut_and_still_numbered() {
        assert_eq!(
            first("jupyter-", "christopher.robinson.of.the.hundred.acre.wood", 2),
            ["jupyter-christopher-robinson-of", "jupyter-christopher-robinson-o-2"]
        );
    }

    #[test]
    fn every_candidate_is_an_account_name() {
        for name in ["ada", "2nd-year", "a.b_c-d", &"x".repeat(64), &format!("a{}b", "_".repeat(40))] {
            for prefix in ["j", "jupyter-", "sixteen-letters-"] {
                let all: Vec<String> = account_names(prefix, &name.parse().unwrap()).collect();
                assert_eq!(all.len(), MOST as usize);
                for candidate in all {
                    assert!(is_account_name(&candidate), "{candidate}");
                }
            }
        }
    }
}
