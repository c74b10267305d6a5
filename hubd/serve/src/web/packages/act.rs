//! `POST /hub/packages`: installs, removes, brings up to date, goes back.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use hub_core::control::environment::{Change, EnvironmentReply, EnvironmentRequest};
use hub_core::control::{Reply, Request};
use hub_core::packages::Requirement;

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::staff::Staff;
use super::page::show;
use crate::control;

/// `POST /hub/packages`
pub(in super::super) async fn submit(State(hub): State<Arc<Hub>>, staff: Staff, form: Form) -> Result<Response, Problem> {
    staff.visitor.check(&form)?;
    let typed = form.text("packages");
    let request = match request(&form, typed) {
        Ok(request) => request,
        Err(problem) => return show(&hub, &staff, StatusCode::BAD_REQUEST, (problem, typed.to_owned())).await,
    };
    let request = Request::Environment { ask: request };
    let answer = match control::ask_as(&hub.control, &staff.visitor.session.user, &request).await {
        Reply::Environment { answer } => *answer,
        Reply::Refused(refusal) => {
            let hint = refusal.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            return show(&hub, &staff, StatusCode::CONFLICT, (format!("{refusal}{hint}."), typed.to_owned())).await;
        }
        _ => return Err(super::unexpected()),
    };
    let place = match answer {
        EnvironmentReply::Started { number } => format!("/hub/packages/{number}"),
        _ => "/hub/packages".to_owned(),
    };
    Ok(Redirect::to(&place).into_response())
}

/// What is asked for.
///
/// # Errors
/// What is wrong with it, in a sentence.
fn request(form: &Form, typed: &str) -> Result<EnvironmentRequest, String> {
    let packages = || {
        let words = words(without_command(typed)?);
        let parsed: Result<Vec<Requirement>, _> = words.iter().map(|word| word.parse()).collect();
        match parsed {
            Ok(packages) if packages.is_empty() => Err("Name at least one package.".to_owned()),
            Ok(packages) => Ok(packages),
            Err(error) => Err(format!("{error}.")),
        }
    };
    Ok(match form.text("do") {
        "install" => EnvironmentRequest::Build { change: Change::Install { packages: packages()? } },
        "remove" => EnvironmentRequest::Build { change: Change::Remove { packages: packages()? } },
        "upgrade" => EnvironmentRequest::Build { change: Change::Upgrade { packages: Vec::new() } },
        "rollback" => EnvironmentRequest::Rollback { to: form.text("to").parse().ok() },
        _ => return Err("The form does not say what to do.".to_owned()),
    })
}

/// What is typed without the command that it was copied with: `%pip install numpy` means numpy, and not packages that are called
/// so.
///
/// # Errors
/// When it is a command of another tool.
fn without_command(typed: &str) -> Result<&str, String> {
    let text = typed.trim().trim_start_matches(['!', '%', '$']).trim_start();
    for command in ["python -m pip install", "python3 -m pip install", "uv pip install", "pip3 install", "pip install"] {
        if let Some(rest) = text.strip_prefix(command).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return Ok(rest);
        }
    }
    match text.split_whitespace().next() {
        Some(tool @ ("conda" | "mamba" | "micromamba" | "apt" | "apt-get" | "sudo")) if text.contains("install") => {
            Err(format!("That is a {tool} command. Type only the names of packages on PyPI."))
        }
        _ => Ok(typed),
    }
}

/// Requirements as people type them: one on a line, or several with spaces or commas between. What belongs to one, as the
/// versions in `pandas >= 2, < 3`, stays with it.
fn words(typed: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in typed.lines() {
        let mut is_new = true;
        for word in line.split_inclusive([' ', '\t', ',']) {
            let begins = word.starts_with(|letter: char| letter.is_ascii_alphanumeric());
            let continues = found.last().is_some_and(|last| {
                let last = last.trim_end();
                last.ends_with(['=', '<', '>', '~', '!', '@', ';']) || (last.ends_with(',') && last.contains('['))
            });
            match found.last_mut() {
                Some(last) if !is_new && (!begins || continues) => last.push_str(word),
                _ => found.push(word.to_owned()),
            }
            is_new = false;
        }
    }
    let cleaned = found.iter().map(|word| word.trim().trim_end_matches(',').trim_end().to_owned());
    cleaned.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_was_copied_is_no_package() {
        for typed in ["pip install numpy", " %pip install numpy", "!pip3 install  numpy", "python -m pip install numpy", "numpy"]
        {
            assert_eq!(without_command(typed).map(words), Ok(vec!["numpy".to_owned()]), "{typed}");
        }
        assert_eq!(without_command("pip install").map(words), Ok(vec![]));
        assert_eq!(without_command("pipdeptree").map(words), Ok(vec!["pipdeptree".to_owned()]));
        assert!(without_command("conda install numpy").is_err() && without_command("sudo apt install python3-numpy").is_err());
    }

    #[test]
    fn requirements_are_told_apart_as_people_type_them() {
        for (typed, wanted) in [
            ("numpy pandas", vec!["numpy", "pandas"]),
            ("numpy, pandas,scipy", vec!["numpy", "pandas", "scipy"]),
            ("pandas >= 2, < 3 scipy\nseaborn", vec!["pandas >= 2, < 3", "scipy", "seaborn"]),
            ("pandas>=2,<3", vec!["pandas>=2,<3"]),
            ("dask[array, dataframe] numpy", vec!["dask[array, dataframe]", "numpy"]),
            (" \n ", vec![]),
            ("-r requirements.txt", vec!["-r", "requirements.txt"]),
        ] {
            assert_eq!(words(typed), wanted, "{typed:?}");
            if !typed.starts_with('-') {
                assert!(words(typed).iter().all(|word| word.parse::<Requirement>().is_ok()), "{typed:?}");
            }
        }
    }
}
