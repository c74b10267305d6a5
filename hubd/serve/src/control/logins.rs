//! The login verbs: which logins at providers there are, who came by them, and undoing that.

use hub_core::accounts::Username;
use hub_core::config::{LoginName, Pam, Provider};
use hub_core::control::Reply;
use hub_core::control::logins::{LinkedLogin, LoginInfo};

use super::access::Actor;
use super::people::moment;
use super::{ControlContext, Refusal};
use crate::auth::PeopleError;
use crate::store::logins::LoginRow;
use crate::store::time;

pub(super) async fn list(context: &ControlContext) -> Result<Reply, Refusal> {
    let config = context.config.get();
    let info = |(name, provider): (&LoginName, &Provider)| LoginInfo {
        name: name.clone(),
        title: provider.title.clone(),
        issuer: provider.issuer.clone(),
        callback: config.login_callback(name).unwrap_or_default(),
    };
    let rows = context.people.linked().await.map_err(PeopleError::from)?;
    let links = rows.into_iter().map(describe).collect();
    let by_pam = config.login.pam.iter().map(|pam| LoginInfo {
        name: pam.login.clone(),
        title: pam.title.clone(),
        issuer: Pam::ISSUER.to_owned(),
        callback: String::new(),
    });
    Ok(Reply::Logins { logins: config.login.providers.iter().map(info).chain(by_pam).collect(), links })
}

pub(super) async fn unlink(context: &ControlContext, actor: &Actor, name: &Username) -> Result<Reply, Refusal> {
    let forgotten = context.people.unlink(name).await.map_err(PeopleError::from)?;
    if forgotten == 0 && context.people.find(name).await?.is_none() {
        return Err(PeopleError::Unknown(name.clone()).into());
    }
    tracing::info!(user = %name, %actor, forgotten, "{actor} unlinked the accounts of {name}");
    Ok(Reply::Done)
}

fn describe(row: LoginRow) -> LinkedLogin {
    LinkedLogin {
        name: row.name,
        issuer: row.issuer,
        subject: row.subject,
        since: moment(time(row.since)),
        last_used: row.last_used.map(|seconds| moment(time(seconds))),
        is_gone: row.is_gone,
    }
}
