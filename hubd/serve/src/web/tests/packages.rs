//! Packages in the browser: who sees them, what is asked for, what is told of a change under way and at its end.

use http::StatusCode;
use hub_core::control::environment::{
    BuildState, Change, EnvironmentReply, EnvironmentRequest, EnvironmentStatus, GenerationInfo, Record,
};
use hub_core::control::{Refusal, RefusalKind};
use hub_core::packages::{Installed, VersionChange};

use super::desk::{Browser, Desk};

const CONFIG: &str = "[roles]\nadmins = [\"ada\"]\nteachers = [\"bob\"]\n";

/// A launcher with environment 2 in use, in which numpy was asked for. Builds get number 3, which is under way; 4 has failed.
pub(super) fn answer(ask: &EnvironmentRequest) -> EnvironmentReply {
    let generation = |number, asked: &str, who: &str| GenerationInfo {
        number,
        is_current: number == 2,
        packages: 1,
        asked: vec![asked.parse().unwrap()],
        conda: None,
        when: Some("2026-11-28T10:00:00Z".to_owned()),
        who: Some(who.to_owned()),
    };
    match ask {
        EnvironmentRequest::Status => EnvironmentReply::Status(EnvironmentStatus {
            current: Some(2),
            python: Some("Python 3.11.2".to_owned()),
            asked: vec!["numpy".parse().unwrap()],
            conda: None,
            is_as_asked: true,
            is_of_this_version: true,
            building: None,
            servers: None,
        }),
        EnvironmentRequest::List => {
            EnvironmentReply::Generations { generations: vec![generation(1, "pandas", "root"), generation(2, "numpy", "ada")] }
        }
        EnvironmentRequest::Show { .. } => {
            let numpy = Installed { name: "numpy".to_owned(), version: "2.3.1".to_owned() };
            EnvironmentReply::Packages { number: 2, asked: Vec::new(), conda: None, packages: vec![numpy] }
        }
        EnvironmentRequest::History => EnvironmentReply::History { records: vec![record(2, BuildState::Done)] },
        EnvironmentRequest::Build { change: Change::Install { packages } } if packages[0].to_string() == "busy" => {
            EnvironmentReply::Refused(Refusal::new(RefusalKind::Busy, "something else is being built").hint("try again later"))
        }
        EnvironmentRequest::Build { .. } => EnvironmentReply::Started { number: 3 },
        EnvironmentRequest::Rollback { to: Some(1) } => EnvironmentReply::Started { number: 2 },
        EnvironmentRequest::Progress { number, .. } => {
            let state = match number {
                3 => BuildState::Building,
                4 => BuildState::Failed,
                _ => BuildState::Done,
            };
            EnvironmentReply::Progress { record: record(*number, state), log: "[0.1 s] <b>found</b>\n".to_owned(), known: 20 }
        }
        other => panic!("the pages do not ask for {other:?}"),
    }
}

fn record(number: u32, state: BuildState) -> Record {
    Record {
        format: 1,
        number,
        kernel: None,
        apt: None,
        what: "install numpy".to_owned(),
        who: "ada".to_owned(),
        when: "2026-11-28T10:00:00Z".to_owned(),
        state,
        phase: "downloading".to_owned(),
        asked: Vec::new(),
        conda: None,
        from: Some(1),
        to: Some(2),
        changes: vec![VersionChange { name: "numpy".to_owned(), from: None, to: Some("2.3.1".to_owned()) }],
        deleted: Vec::new(),
        reason: (state == BuildState::Failed).then(|| "no such package: numpy<script>".to_owned()),
        hint: None,
        download: None,
        seconds: Some(12.0),
        bytes: None,
        own_bytes: None,
        log: "/var/log/x".into(),
    }
}

async fn as_ada(desk: &Desk) -> Browser<'_> {
    let mut browser = desk.browser();
    browser.log_in("ada").await;
    browser
}

#[tokio::test]
async fn administrators_see_what_is_there_and_nobody_else() {
    let desk = Desk::with_config(CONFIG).await;
    let mut teacher = desk.browser();
    teacher.log_in("bob").await;
    for path in ["/hub/packages", "/hub/packages/3", "/hub/packages/3/events"] {
        assert_eq!(teacher.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert!(desk.browser().get(path).await.location().starts_with("/hub/login"), "{path}");
    }
    assert!(!teacher.get("/hub/home").await.body.contains("/hub/packages"));
    let mut ada = as_ada(&desk).await;
    assert!(ada.get("/hub/home").await.body.contains("href=\"/hub/packages\""));
    let text = ada.get("/hub/packages").await.text();
    for words in ["numpy 2.3.1", "for Python 3.11.2", "in use", "Go back", "install numpy", "done"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn what_is_asked_for_leads_to_how_it_goes() {
    let desk = Desk::with_config(CONFIG).await;
    let mut ada = as_ada(&desk).await;
    for form in [
        vec![("do", "install"), ("packages", "pandas>=2 scipy")],
        vec![("do", "remove"), ("packages", "numpy")],
        vec![("do", "upgrade")],
    ] {
        assert_eq!(ada.fill("/hub/packages", "/hub/packages", &form).await.location(), "/hub/packages/3", "{form:?}");
    }
    let back = ada.fill("/hub/packages", "/hub/packages", &[("do", "rollback"), ("to", "1")]).await;
    assert_eq!(back.location(), "/hub/packages/2");
    for (form, words) in [
        ([("do", "install"), ("packages", "--index-url=x")], "--index-url=x"),
        ([("do", "install"), ("packages", " ")], "Name at least one package."),
        ([("do", "install"), ("packages", "busy")], "something else is being built (try again later)."),
        ([("do", "nonsense"), ("packages", "")], "does not say what to do"),
    ] {
        let answer = ada.fill("/hub/packages", "/hub/packages", &form).await;
        assert!(answer.status.is_client_error() && answer.text().contains(words), "{form:?}: {}", answer.text());
    }
    assert!(ada.post("/hub/packages", &[("do", "upgrade")]).await.status.is_client_error(), "a form without its token");
}

#[tokio::test]
async fn a_change_is_followed_to_its_end() {
    let desk = Desk::with_config(CONFIG).await;
    let mut ada = as_ada(&desk).await;
    let page = ada.get("/hub/packages/3").await;
    assert!(page.text().contains("Under way: install numpy") && page.text().contains("downloading"), "{}", page.text());
    assert!(page.body.contains("data-live=\"packages/3/events?token="), "{}", page.body);
    let page = ada.get("/hub/packages/2").await;
    assert!(page.text().contains("Done: install numpy") && page.text().contains("numpy 2.3.1, new"), "{}", page.text());
    assert!(page.text().contains("<b>found</b>") && !page.body.contains("<b>"), "{}", page.body);
    let page = ada.get("/hub/packages/4").await;
    assert!(page.text().contains("no such package: numpy<script>") && !page.body.contains("numpy<script>"), "{}", page.body);
    let token = page.hidden("token");
    assert_eq!(ada.get("/hub/packages/2/events").await.status, StatusCode::FORBIDDEN, "without the page's token");
    let stream = ada.get(&format!("/hub/packages/2/events?token={token}")).await;
    assert!(stream.body.contains("event: over\ndata: over"), "browsers pass over an event without data: {:?}", stream.body);
}
