//! What can be done to one or many people at once: `POST /hub/people`. What ends somebody's work or keeps them out asks first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::config::Role;
use hub_core::control::{Reply, Request};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::{Form, LongForm};
use super::super::frame::{Frame, Look, render};
use super::super::staff::Staff;
use super::slips::{self, Slip};
use crate::control;

/// How long the page waits for what was asked for. Servers take longer to start and stop, and the list shows how they go.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for links, without which there is no answer.
const LINK_PATIENCE: Duration = Duration::from_secs(60);
/// What the fields are called that select somebody: this, and the name.
const SELECTS: &str = "who.";

/// One thing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    StartPlain,
    Restart,
    Stop,
    Link,
    LogOut,
    Block,
    Unblock,
    Remove,
}

impl Act {
    const EACH: [Self; 9] = [
        Self::Start,
        Self::StartPlain,
        Self::Restart,
        Self::Stop,
        Self::Link,
        Self::LogOut,
        Self::Block,
        Self::Unblock,
        Self::Remove,
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|act| act.word() == word)
    }

    /// What the list offers to somebody with `role`. The hub judges each request again.
    pub(super) fn open_to(role: Role) -> impl Iterator<Item = Self> {
        let listed = [Self::Start, Self::Stop, Self::Link, Self::LogOut, Self::Block, Self::Unblock, Self::Remove];
        listed.into_iter().filter(move |act| role >= act.least())
    }

    fn least(self) -> Role {
        match self {
            Self::Start | Self::StartPlain | Self::Restart | Self::Stop => Role::Helper,
            Self::Link | Self::LogOut | Self::Block | Self::Unblock => Role::Teacher,
            Self::Remove => Role::Admin,
        }
    }

    /// What forms and addresses call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::StartPlain => "start-plain",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Link => "link",
            Self::LogOut => "logout",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Remove => "remove",
        }
    }

    /// What its button says.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::StartPlain => "Start without their packages and settings",
            Self::Restart => "Restart",
            Self::Stop => "Stop",
            Self::Link => "Make links",
            Self::LogOut => "Log out everywhere",
            Self::Block => "Block",
            Self::Unblock => "Unblock",
            Self::Remove => "Take off the list",
        }
    }

    /// What has to be said before it is done to these; `None`: nothing.
    fn question(self, people: &str) -> Option<(String, &'static str)> {
        match self {
            Self::Start | Self::StartPlain | Self::Unblock => None,
            Self::Restart => Some((
                format!("Restart the server of {people}?"),
                "Saved files stay. What open notebooks have in memory is lost.",
            )),
            Self::Stop => {
                Some((format!("Stop the server of {people}?"), "Saved files stay. What open notebooks have in memory is lost."))
            }
            Self::Link => Some((
                format!("Make a link for {people}?"),
                "With the link, they choose a new password. It works once, for one day. Links that were made before stop working; a \
                 password works on until the link is used.",
            )),
            Self::LogOut => Some((
                format!("Log {people} out everywhere?"),
                "They have to log in again in every browser, for example after a lost laptop. Their server and their open work keep running.",
            )),
            Self::Block => Some((
                format!("Block {people}?"),
                "They are logged out, their server is stopped, and they can't log in until somebody unblocks them. Their files stay.",
            )),
            Self::Remove => Some((
                format!("Take {people} off the list?"),
                "They are logged out, their server is stopped, and they can't log in any more. Their files stay on the machine, and \
                 are there again when somebody enrols the same name.",
            )),
        }
    }

    fn request(self, name: Username) -> Request {
        match self {
            Self::Start => Request::ServerStart { name, without_own: false },
            Self::StartPlain => Request::ServerStart { name, without_own: true },
            Self::Restart => Request::ServerRestart { name, without_own: false },
            Self::Stop => Request::ServerStop { name },
            Self::Link => Request::UserLink { name },
            Self::LogOut => Request::UserLogout { name },
            Self::Block => Request::UserBlock { name, blocked: true },
            Self::Unblock => Request::UserBlock { name, blocked: false },
            Self::Remove => Request::UserRemove { name },
        }
    }

    /// What the next page says, by the address that [`submit`] led to.
    pub(super) fn notice(asked: &Form) -> String {
        let count: usize = asked.text("count").parse().unwrap_or(0);
        let Some(act) = Self::parse(asked.text("after")).filter(|_| count > 0) else { return String::new() };
        let people = |one: &str, many: &str| if count == 1 { format!("One {one}.") } else { format!("{count} {many}.") };
        match act {
            Self::Start | Self::StartPlain => people("server is being started", "servers are being started"),
            Self::Restart => people("server is being restarted", "servers are being restarted"),
            Self::Stop => people("server is being stopped", "servers are being stopped"),
            Self::Link => people("link was made", "links were made"),
            Self::LogOut => people("person is logged out everywhere", "people are logged out everywhere"),
            Self::Block => people("person is blocked", "people are blocked"),
            Self::Unblock => people("person is unblocked", "people are unblocked"),
            Self::Remove => people("person was taken off the list", "people were taken off the list"),
        }
    }
}

#[derive(Template)]
#[template(path = "people_confirm.html")]
struct Confirm<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    title: String,
    message: &'page str,
    act: Act,
    names: &'page [Username],
    back: &'page str,
}

#[derive(Template)]
#[template(path = "people_outcome.html")]
pub(super) struct Outcome {
    pub(super) look: Look,
    pub(super) frame: Frame,
    pub(super) title: String,
    /// One sentence each.
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) slips: Vec<Slip>,
    /// Where people log in.
    pub(super) address: String,
}

/// `POST /hub/people`
pub(in super::super) async fn submit(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    LongForm(form): LongForm,
) -> Result<Response, Problem> {
    staff.visitor.check(&form)?;
    let act = Act::parse(form.text("do")).ok_or_else(|| Problem::bad_request("The form does not say what to do."))?;
    let names: Result<Vec<Username>, _> = form.names_after(SELECTS).map(str::parse).collect();
    let mut names = names.map_err(|error| Problem::bad_request(&format!("A name in the form can't be one: {error}.")))?;
    names.sort();
    let back = if form.text("back") == "person" && names.len() == 1 {
        format!("/hub/people/{}", names[0])
    } else {
        "/hub/people".to_owned()
    };
    if names.is_empty() {
        return Err(Problem::nobody_selected());
    }
    let people = if let [one] = names.as_slice() { one.to_string() } else { format!("{} people", names.len()) };
    if let Some((title, message)) = act.question(&people).filter(|_| form.text("sure").is_empty()) {
        let token = staff.token();
        let page = Confirm {
            look: Look::Narrow,
            frame: staff.frame(&hub),
            token: &token,
            title,
            message,
            act,
            names: &names,
            back: if back == "/hub/people" { "" } else { "person" },
        };
        return render(StatusCode::OK, &page);
    }
    let count = names.len();
    let (replies, problems) = carry_out(&hub, &staff, act, names).await;
    let full_names = if act == Act::Link { full_names(&hub, &staff).await } else { HashMap::new() };
    let slips: Vec<Slip> = replies
        .into_iter()
        .filter_map(|(name, reply)| match reply {
            Reply::Link { link, expires } => {
                let full_name = full_names.get(&name).map_or("", String::as_str);
                Some(slips::slip(&hub, &staff, (&name, full_name), (&link, &expires)))
            }
            _ => None,
        })
        .collect();
    let done = count - problems.len();
    if problems.is_empty() && slips.is_empty() {
        return Ok(Redirect::to(&format!("{back}?after={}&count={count}", act.word())).into_response());
    }
    let outcome = Outcome {
        look: Look::Wide,
        frame: staff.frame(&hub),
        title: match (done, problems.len()) {
            (_, 0) if slips.len() == 1 => "A link for one person".to_owned(),
            (_, 0) => format!("Links for {} people", slips.len()),
            (0, _) => "That did not work".to_owned(),
            (_, 1) => "That did not work for one of them".to_owned(),
            (_, some) => format!("That did not work for {some} of them"),
        },
        problems,
        notes: Vec::new(),
        slips,
        address: slips::login_address(&hub, &staff),
    };
    render(StatusCode::OK, &outcome)
}

/// What class lists call people, as far as this one may see it.
async fn full_names(hub: &Hub, staff: &Staff) -> HashMap<Username, String> {
    let Ok(Reply::Users { users }) = staff.ask(hub, &Request::UserList).await else { return HashMap::new() };
    users.into_iter().filter_map(|user| Some((user.name, user.full_name?))).collect()
}

/// Asks for all of it at once, and returns what was answered in time, and what went wrong until then, by name. What takes
/// longer goes on.
async fn carry_out(hub: &Arc<Hub>, staff: &Staff, act: Act, names: Vec<Username>) -> (Vec<(Username, Reply)>, Vec<String>) {
    let mut tasks = JoinSet::new();
    for name in names {
        let (context, own) = (hub.control.clone(), staff.visitor.session.user.clone());
        tasks.spawn(async move {
            let reply = control::ask_as(&context, &own, &act.request(name.clone())).await;
            (name, reply)
        });
    }
    let until = tokio::time::Instant::now() + if act == Act::Link { LINK_PATIENCE } else { PATIENCE };
    let (mut replies, mut problems) = (Vec::new(), Vec::new());
    while let Ok(Some(ended)) = timeout_at(until, tasks.join_next()).await {
        match ended {
            Ok((name, Reply::Refused(refusal))) => problems.push(format!("{name}: {refusal}.")),
            Ok(answered) => replies.push(answered),
            Err(error) => {
                tracing::error!(%error, "a task for a page ended");
                problems.push("Something went wrong in the hub for one of them.".to_owned());
            }
        }
    }
    tasks.detach_all();
    replies.sort_by(|(one, _), (other, _)| one.cmp(other));
    problems.sort();
    (replies, problems)
}
