//! What `hubctl https check` finds, and own certificate files, judged by it before anything is changed: by the `hubctl` of the
//! release, as the hub and every later change validate them.

use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::config::HttpsMethod;
use hub_core::control::Failed;
use hub_system::command::Command;
use serde::Deserialize;

use crate::finding::Finding;
use crate::options::Options;

/// Two files are read.
const JUDGE_DEADLINE: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Why it does not work.
    pub bad: Vec<Finding>,
    /// Why it may not, for some.
    pub doubtful: Vec<Finding>,
}

/// What `hubctl https check` prints with `--json`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Checked {
    Found { findings: Vec<Looked> },
    // As when a file is not there.
    Failed(Failed),
}

#[derive(Debug, Deserialize)]
struct Looked {
    weight: String,
    what: String,
    remedy: Option<String>,
}

/// Judges the files that the install is to use, if it is to use some.
pub(super) fn probe(options: &Options) -> Judged {
    let Some(HttpsMethod::Files { certificate, key }) = options.https.as_ref().map(|https| &https.method) else {
        return Judged::default();
    };
    let program = options.programs.join("hubctl");
    // That a program of the release is missing is a finding of its own.
    if !program.is_file() {
        return Judged::default();
    }
    let url = options.url.as_ref().and_then(|url| url::Url::parse(url).ok());
    let host = url.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let mut command = Command::new(&program, JUDGE_DEADLINE).env_clear().args(["--json", "https", "check"]);
    command = command.args(["--certificate", &certificate, "--key", &key]);
    if let Some(host) = &host {
        command = command.args(["--host", host]);
    }
    let answer =
        command.output().and_then(|output| validate(&output.stdout).with_context(|| output.stderr.trim_end().to_owned()));
    answer.unwrap_or_else(|error| Judged {
        bad: vec![Finding {
            what: format!("the certificate can't be checked: {error:#}"),
            remedy: "are both files there?".to_owned(),
        }],
        doubtful: Vec::new(),
    })
}

/// Reads what `hubctl https check` printed with `--json`.
///
/// # Errors
/// When it is something else.
pub(crate) fn validate(answer: &str) -> Result<Judged> {
    let mut judged = Judged::default();
    let findings = match serde_json::from_str(answer)? {
        Checked::Found { findings } => findings,
        Checked::Failed(Failed { error }) => {
            let remedy = error.hint.unwrap_or_else(|| "name the files with --certificate and --key".to_owned());
            judged.bad.push(Finding { what: error.message, remedy });
            return Ok(judged);
        }
    };
    for looked in findings {
        let finding = Finding { what: looked.what, remedy: looked.remedy.unwrap_or_default() };
        match looked.weight.as_str() {
            "bad" => judged.bad.push(finding),
            "doubtful" => judged.doubtful.push(finding),
            _ => {}
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let answer = r#"{"error":{"message":"reading `/nope`: No such file or directory","hint":null}}"#;
        let judged = validate(answer).unwrap();
        assert_eq!(judged.bad[0].what, "reading `/nope`: No such file or directory");
        assert!(validate("{}").is_err());
    }

    #[test]
    fn reads_what_hubctl_found() {
        let answer = r#"{"method":"files","ok":false,"findings":[{"weight":"good","what":"a","remedy":null},
            {"weight":"doubtful","what":"b","remedy":"c"},{"weight":"bad","what":"d","remedy":"e"}]}"#;
        let finding = |what: &str, remedy: &str| Finding { what: what.to_owned(), remedy: remedy.to_owned() };
        assert_eq!(validate(answer).unwrap(), Judged { bad: vec![finding("d", "e")], doubtful: vec![finding("b", "c")] });
        assert!(validate("").is_err());
    }
}
