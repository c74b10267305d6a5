//! What the programs of a build say, and what a person can do about it. Pure.

/// What a person can do about what the build said, where that is known.
pub(super) fn hint(said: &str, is_bundle_only: bool) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if any(&["py-rattler"]) && any(&["no solution found", "unsatisfiable"]) {
        return Some(if is_bundle_only {
            "the bundles of this machine have no conda packages; on a hub with internet make the kernel, then another bundle, \
             and add it here: hubctl bundle add FILE"
        } else {
            "py-rattler reads conda channels, and has to be in the package index of this machine; a mirror may lack it"
        });
    }
    if is_bundle_only && any(&["no solution found", "unsatisfiable", "no matching distribution"]) {
        return Some(
            "this machine installs only from bundles, and they do not have it (hubctl bundle show); on a hub with internet make \
             another, hubctl bundle create FILE --with PACKAGE, and add it here: hubctl bundle add FILE",
        );
    }
    if is_bundle_only && any(&["no candidates were found"]) {
        return Some(
            "this machine gets conda packages only from bundles (hubctl bundle show); on a hub with internet install it in a \
             kernel, make another bundle, and add it here: hubctl bundle add FILE",
        );
    }
    if any(&["no matching distribution"]) {
        return Some(
            "a bundle carries wheels only, and the package named above has none for this machine; remove it, make the \
             bundle, and install it again",
        );
    }
    if any(&["because of: no candidates were found"]) {
        return Some("look whether the name is spelled as in the channel, and whether the channel is the right one");
    }
    if any(&["cannot solve the request"]) {
        return Some("ask for other versions, or in two kernels for what does not go together");
    }
    if any(&["could not find subdir", "repodata"]) {
        return Some(
            "a conda channel could not be read; which are asked where a kernel names none: hubctl config get \
             environment.conda_channels; where names of channels lead: hubctl config get environment.conda_channel_alias",
        );
    }
    if any(&["no solution found", "unsatisfiable"]) {
        return Some(if any(&["was not found in the package registry", "was not found in the provided package locations"]) {
            "look whether the name is spelled as on the package index"
        } else if any(&["no wheels with a matching", "requires-python", "current python"]) {
            "there is no version for this machine's Python; ask for an older or newer one"
        } else {
            "ask for other versions; what the hub itself needs (jupyterlab, jupyter-server, notebook) can't go below its floor"
        });
    }
    if any(&["command 'gcc' failed", "unable to execute 'gcc'", "no such file or directory: 'gcc'", "unknown compiler"]) {
        return Some("this package is compiled here, which needs a compiler: apt-get install build-essential python3-dev");
    }
    if any(&["python.h: no such file"]) {
        return Some("this package is compiled here, which needs Python's headers: apt-get install python3-dev");
    }
    if any(&["no space left", "os error 28", "disk quota"]) {
        Some("the disk is full; make room below `/opt`, then run this again")
    } else if any(&["certificate", "unknownissuer"]) {
        Some("name the file with your network's certificates in SSL_CERT_FILE, then run this again")
    } else if any(&[
        "dns error",
        "tcp connect error",
        "connection refused",
        "timed out",
        "failed to fetch",
        "error sending request",
    ]) {
        Some(
            "the package index could not be reached; a mirror is named by environment.index_url in the configuration, and while \
             a hub is installed by UV_DEFAULT_INDEX; a proxy by HTTPS_PROXY for hub-installer install; then run this again",
        )
    } else if any(&["hash mismatch"]) {
        Some("a downloaded package is not the one that was tested; a mirror may have changed it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_bundle_alone_another_bundle_helps() {
        let said = "error: No solution found\n  cause: Because pandas was not found in the provided package locations";
        assert!(hint(said, true).is_some_and(|hint| hint.contains("hubctl bundle add FILE")));
        assert!(hint(said, false).is_some_and(|hint| hint.contains("spelled")));
    }

    #[test]
    fn what_the_build_said_becomes_advice() {
        let cases = [
            ("error: failed to write: No space left on device (os error 28)", Some("the disk is full")),
            ("invalid peer certificate: UnknownIssuer", Some("name the file with your network's certificates")),
            ("dns error: failed to lookup address information", Some("the package index could not be reached")),
            ("error: Hash mismatch for `anyio==4.16.0`", Some("a downloaded package is not the one")),
            (
                "error: No solution found when resolving dependencies\n  cause: Because nosuch was not found in the package registry",
                Some("look whether the name is spelled"),
            ),
            (
                "error: No solution found when resolving dependencies\n  cause: Because you require a<2",
                Some("ask for other versions"),
            ),
            ("error: command 'gcc' failed: No such file or directory", Some("this package is compiled here")),
            ("error: Cannot solve the request because of: No candidates were found for x *.", Some("look whether the name is")),
            (
                "error: Cannot solve the request because of: The following packages are incompatible",
                Some("ask for other versions"),
            ),
            ("error: could not find subdir 'noarch' in channel 'file:///srv/x/'", Some("a conda channel could not be read")),
            (
                "error: No solution found\n  cause: Because py-rattler was not found in the package registry",
                Some("py-rattler reads conda channels"),
            ),
            ("something else", None),
        ];
        for (said, expected) in cases {
            match (hint(said, false), expected) {
                (Some(hint), Some(start)) => assert!(hint.starts_with(start), "{said}: {hint}"),
                (found, expected) => assert_eq!(found, expected, "{said}"),
            }
        }
    }
}
