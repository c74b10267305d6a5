//! The class list: what it would change, and changing that.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::config::{Config, Role};
use hub_core::control::roster::{LARGEST, RosterDone, RosterPlan, RosterReply, RosterRequest};
use hub_core::control::{AddedUser, RefusalKind, Reply};
use hub_core::text::shortened;
use hub_roster::{ClassChange, Known};
use hub_roster::{Rules, plan};

use super::access::{Actor, may_list};
use super::people::{end_server, expel, whole_link};
use super::{ControlContext, Refusal};
use crate::auth::password;

/// Longest time that reading a list may take. No list of the size that is allowed comes near it.
const DEADLINE: Duration = Duration::from_secs(20);
/// How much of what was done a line of the journal has room for; bytes.
const LONGEST_LINE: usize = 1000;

pub(super) async fn roster(context: &ControlContext, ask: &RosterRequest, actor: &Actor) -> Result<Reply, Refusal> {
    if ask.list.len() as u64 > LARGEST {
        let message = format!("the list has more than {} MB", LARGEST >> 20);
        return Err(Refusal::new(RefusalKind::Invalid, message).hint("split it"));
    }
    let known = context.people.known().await?;
    let (plan, change) = judged(ask, known, context.config.get(), actor).await?;
    let reply = |plan, done| Ok(Reply::Roster(Box::new(RosterReply { plan, done })));
    let Some(go) = ask.go.as_ref().filter(|go| go.mark == plan.mark) else { return reply(plan, None) };
    if !plan.problems.is_empty() {
        return Err(
            Refusal::new(RefusalKind::Invalid, "there are problems in the list, so nothing was done").hint("correct them")
        );
    }
    if plan.absent_leave && plan.many_leave && !go.many_leave {
        let message = format!("{} people would leave, more than one in five, so nothing was done", plan.leaves().len());
        return Err(Refusal::new(RefusalKind::Invalid, message).hint("say that this is right"));
    }
    let done = carry_out(context, &plan, change, actor).await?;
    reply(plan, Some(done))
}

/// Reads the list, on a thread where that may take a while.
async fn judged(
    ask: &RosterRequest,
    known: Known,
    config: Arc<Config>,
    actor: &Actor,
) -> Result<(RosterPlan, ClassChange), Refusal> {
    let (ask, actor) = (ask.clone(), actor.clone());
    let work = tokio::task::spawn_blocking(move || {
        let reserved = named(&config);
        let rules = Rules {
            reserved: &reserved,
            is_student: &|name| config.role_of(name) == Role::Student && !config.is_blocked(name),
            may: &|name| may_list(&actor, name, &config),
            judge: &|name, text| password::check(name, text).map_err(|problem| problem.to_string()),
        };
        plan(&ask, &known, &rules)
    });
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(planned)) => Ok(planned),
        Ok(Err(error)) => Err(Refusal::new(RefusalKind::Failed, format!("reading the list: {error}"))),
        Err(_) => Err(Refusal::new(RefusalKind::Failed, "reading the list took too long").hint("split it")),
    }
}

/// Everybody whom the configuration names: whoever has such a name has what it gives.
pub(crate) fn named(config: &Config) -> HashSet<Username> {
    let roles = &config.roles;
    let roles = [&roles.admins, &roles.teachers, &roles.helpers, &roles.blocked].into_iter().flatten();
    let groups = config.groups.values().flat_map(|group| &group.members);
    roles.chain(groups).chain(config.users.keys()).cloned().collect()
}

async fn carry_out(
    context: &ControlContext,
    plan: &RosterPlan,
    change: ClassChange,
    actor: &Actor,
) -> Result<RosterDone, Refusal> {
    let own = if let Actor::Person(own, _) = actor { Some(own) } else { None };
    let leavers = change.leavers.clone();
    let added = context.people.apply(change, &actor.maker(), own).await?;
    record(actor, plan);
    let problems =
        leavers.iter().filter_map(|name| end_server(context, name).err()).map(|refusal| format!("{refusal}.")).collect();
    if !leavers.is_empty() {
        expel(context, leavers);
    }
    let user = |(comer, added): (&hub_core::control::roster::Comer, crate::auth::Added)| {
        let (link, expires) = added.link.map(|link| whole_link(context, &link)).unzip();
        AddedUser { name: comer.name.clone(), added: added.added, link, expires }
    };
    Ok(RosterDone { users: plan.comes.iter().zip(added).map(user).collect(), problems })
}

/// Who was enrolled, changed and blocked by this.
fn record(actor: &Actor, plan: &RosterPlan) {
    let list = |names: Vec<&str>| names.join(", ");
    for (what, names) in [
        ("enrolled", list(plan.comes.iter().map(|comer| comer.name.as_str()).collect())),
        ("changed", list(plan.changes.iter().map(|change| change.name.as_str()).collect())),
        ("blocked", list(plan.leaves().iter().map(|person| person.name.as_str()).collect())),
    ] {
        if !names.is_empty() {
            tracing::info!(%actor, "{actor} {what} by a class list: {}", shortened(&names, LONGEST_LINE));
        }
    }
}
