//! A certificate from an authority that speaks ACME (RFC 8555). Account, order and key are on disk before anything
//! depends on them, so a run that is cut short anywhere is continued by the next.

mod said;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_tls::{ACCOUNT, Description};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Error, HttpClient, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, Problem,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use super::answers::{self, Kind};
use super::client::Client;
use super::store::Store;
pub(super) use said::is_refusal;
use said::{STALE_ATTEMPTS, Said, in_words, is_stale, is_unknown_account, patient, say};

const ORDER: &str = "order.json";

/// How long an authority may take to look at our answers, and to sign.
const ORDER_DEADLINE: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_secs(1);
/// How long it may take to be told why it refused.
const WORDS_DEADLINE: Duration = Duration::from_secs(60);

/// How far an order is; for tests that cut it short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CrashPoint {
    /// The order is on disk, and nothing was answered yet.
    Ordered,
    /// The authority was asked to sign, and nothing was fetched yet.
    Finalized,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) email: &'a str,
    pub(super) domains: &'a [String],
    pub(super) directory: &'a str,
    pub(super) kind: Kind,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// An order under way.
#[derive(Serialize, Deserialize)]
struct Pending {
    directory: String,
    account: String,
    url: String,
    domains: Vec<String>,
    /// PEM.
    key: String,
}

/// Gets a certificate and puts it in use. `at` is told how far it is.
///
/// # Errors
/// When the authority can't be reached, or refuses; then in its own words.
pub(super) async fn issue(store: &Store, client: &Client, wish: &Wish<'_>, at: &dyn Fn(CrashPoint)) -> Result<()> {
    let mut account = account(store, client, wish).await?;
    let (mut order, pending) = match resume(store, &account, wish).await? {
        Some(resumed) => resumed,
        None => match start(store, &account, wish).await {
            Err(error) if is_unknown_account(&error) => {
                tracing::warn!("the authority does not know our account any more; making another");
                store.forget(ACCOUNT)?;
                account = self::account(store, client, wish).await?;
                start(store, &account, wish).await?
            }
            result => result?,
        },
    };
    at(CrashPoint::Ordered);
    let completed = complete(store, &mut order, &pending, wish, at).await;
    store.forget_answers()?;
    match completed {
        Ok(chain) => {
            match check(&chain, &pending, Timestamp::now()) {
                Ok(()) => store.put(&chain, &pending.key)?,
                // The next run fetches it once more, when the clock may be right.
                Err(Unfit::Now(error)) => return Err(error),
                Err(Unfit::Ever(error)) => {
                    store.forget(ORDER)?;
                    return Err(error);
                }
            }
            store.forget(ORDER)
        }
        Err(error) if order.state().status == OrderStatus::Invalid => {
            store.forget(ORDER)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// When the authority suggests to renew the certificate in use, and how long not to ask again; `None`: it has no account of
/// ours, or suggests nothing.
///
/// # Errors
/// When it can't be asked, or its answer makes no sense.
pub(super) async fn suggested(
    store: &Store,
    http: Box<dyn HttpClient>,
    directory: &str,
) -> Result<Option<((Timestamp, Timestamp), SignedDuration)>> {
    let (Some(certificate), Some(kept)) = (store.certificate(), store.load::<Kept>(ACCOUNT)?) else { return Ok(None) };
    if kept.directory != directory {
        return Ok(None);
    }
    let id = CertificateIdentifier::try_from(&certificate).map_err(anyhow::Error::msg)?;
    let asking = async {
        let account = Account::builder_with_http(http).from_credentials(kept.credentials).await?;
        account.renewal_info(&id).await
    };
    match asking.await {
        Ok((info, pause)) => {
            let moment = |moment: i64| Timestamp::from_second(moment).context("reading when the authority suggests to renew");
            let window = info.suggested_window;
            let window = (moment(window.start.unix_timestamp())?, moment(window.end.unix_timestamp())?);
            Ok(Some((window, SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))))
        }
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(in_words(error)),
    }
}

async fn account(store: &Store, client: &Client, wish: &Wish<'_>) -> Result<Account> {
    let builder = || Account::builder_with_http(Box::new(client.clone()));
    let asking = || format!("asking `{}` what it offers", wish.directory);
    if let Some(kept) = store.load::<Kept>(ACCOUNT)?
        && kept.directory == wish.directory
    {
        return builder().from_credentials(kept.credentials).await.map_err(in_words).with_context(asking);
    }
    let contact = format!("mailto:{}", wish.email);
    let contact = [contact.as_str()];
    let contact = if wish.email.is_empty() { &[][..] } else { &contact[..] };
    let new = NewAccount { contact, terms_of_service_agreed: true, only_return_existing: false };
    let create = async || builder().create(&new, wish.directory.to_owned(), None).await;
    let making = format!("making an account at `{}`", wish.directory);
    let (account, credentials) = patient(&making, create).await?;
    store.save(ACCOUNT, &Kept { directory: wish.directory.to_owned(), credentials })?;
    Ok(account)
}

/// The order that an earlier run left, if it is for the same and the authority still knows it.
async fn resume(store: &Store, account: &Account, wish: &Wish<'_>) -> Result<Option<(Order, Pending)>> {
    let Some(pending) = store.load::<Pending>(ORDER)? else { return Ok(None) };
    let is_same = pending.directory == wish.directory && pending.account == account.id() && pending.domains == wish.domains;
    if is_same {
        let find = async || account.order(pending.url.clone()).await;
        match patient("asking for the order that was under way", find).await {
            Ok(mut order) => {
                if order.state().status != OrderStatus::Invalid {
                    tracing::info!(order = pending.url, "continuing with the order of an earlier run");
                    return Ok(Some((order, pending)));
                }
            }
            // It said no, so there is no use in keeping it. Anything else may pass.
            Err(error) if error.downcast_ref::<Said>().is_some() => tracing::info!("giving up an earlier order: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    store.forget(ORDER)?;
    Ok(None)
}

async fn start(store: &Store, account: &Account, wish: &Wish<'_>) -> Result<(Order, Pending)> {
    let identifiers: Vec<Identifier> = wish.domains.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let new = NewOrder::new(&identifiers);
    let ordering = "ordering a certificate";
    // What replaces another is not counted by authorities that limit how many there may be. Not all know of it, and one
    // knows only its own, so it is no more than a try.
    let replaced = store.certificate().filter(|certificate| shares_a_name(certificate, wish.domains));
    let order = match replaced.as_ref().and_then(|certificate| CertificateIdentifier::try_from(certificate).ok()) {
        Some(id) => {
            let new = NewOrder::new(&identifiers).replaces(id);
            let asked = patient(ordering, async || account.new_order(&new).await).await;
            asked.inspect_err(|error| tracing::debug!("ordering one that replaces nothing: {error:#}")).ok()
        }
        None => None,
    };
    let order = match order {
        Some(order) => order,
        None => patient(ordering, async || account.new_order(&new).await).await?,
    };
    let pending = Pending {
        directory: wish.directory.to_owned(),
        account: account.id().to_owned(),
        url: order.url().to_owned(),
        domains: wish.domains.to_vec(),
        key: KeyPair::generate().context("making a key")?.serialize_pem(),
    };
    store.save(ORDER, &pending)?;
    Ok((order, pending))
}

fn shares_a_name(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    Description::read(certificate).is_ok_and(|present| names.iter().any(|name| present.covers(name)))
}

/// Goes from wherever the order is to the certificate.
async fn complete(
    store: &Store,
    order: &mut Order,
    pending: &Pending,
    wish: &Wish<'_>,
    at: &dyn Fn(CrashPoint),
) -> Result<String> {
    let deadline = Instant::now() + ORDER_DEADLINE;
    let mut is_answered = false;
    loop {
        let status = order.state().status;
        match status {
            OrderStatus::Pending if !is_answered => {
                answer(store, order, wish).await?;
                is_answered = true;
            }
            OrderStatus::Ready => {
                let request = request(pending)?;
                patient("asking the authority to sign", async || order.finalize_csr(&request).await).await?;
                at(CrashPoint::Finalized);
                continue;
            }
            OrderStatus::Valid => {
                let chain = patient("fetching the certificate", async || order.certificate().await).await?;
                return chain.context("the authority has signed and gave no certificate");
            }
            OrderStatus::Invalid => return Err(reasons(order, wish).await),
            OrderStatus::Pending | OrderStatus::Processing => {}
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for the authority, and the order is still {status:?}", ORDER_DEADLINE.as_secs());
        }
        sleep(POLL).await;
        patient("asking how the order is", async || order.refresh().await.map(drop)).await?;
    }
}

/// Prepares the answers, and tells the authority to look.
async fn answer(store: &Store, order: &mut Order, wish: &Wish<'_>) -> Result<()> {
    learn(order).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(in_words).context("asking what the authority wants to see")?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(wish.kind.challenge()) else {
            bail!("the authority does not offer to look at {name} over {}", wish.kind.words());
        };
        if challenge.status == ChallengeStatus::Pending {
            answers::prepare(store, wish.kind, &name, &challenge)?;
            patient("telling the authority to look", async || challenge.set_ready().await).await?;
        }
    }
    Ok(())
}

/// Asks about all names of the order before anything is done about one of them: a question that is out of date makes this
/// begin anew, and an authority refuses to be told twice to look at the same name. What is known already costs nothing.
async fn learn(order: &mut Order) -> Result<()> {
    let all = async || {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            authorization?;
        }
        Ok(())
    };
    patient("asking what the authority wants to see", all).await
}

/// The request to be signed.
fn request(pending: &Pending) -> Result<Vec<u8>> {
    let key = KeyPair::from_pem(&pending.key).context("reading the key of the order")?;
    let mut params = CertificateParams::new(pending.domains.clone()).context("naming a certificate")?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key).context("writing the request for a certificate")?.der().to_vec())
}

/// Why what came is not used.
enum Unfit {
    /// By the clock of this machine it is not good now.
    Now(anyhow::Error),
    /// It never will be.
    Ever(anyhow::Error),
}

impl From<anyhow::Error> for Unfit {
    fn from(error: anyhow::Error) -> Self {
        Self::Ever(error)
    }
}

/// Judges what came before it replaces what is there.
fn check(chain: &str, pending: &Pending, now: Timestamp) -> Result<(), Unfit> {
    let certificates = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.context("reading the certificate that came")?;
    let first = certificates.first().context("the authority sent no certificate")?;
    let description = Description::read(first).map_err(anyhow::Error::msg).context("reading the certificate that came")?;
    if let Some(name) = pending.domains.iter().find(|name| !description.covers(name)) {
        let names = description.names.join(", ");
        return Err(anyhow::anyhow!("the certificate that came is not for {name}, but for {names}").into());
    }
    let key = PrivateKeyDer::from_pem_slice(pending.key.as_bytes()).context("reading the key of the order")?;
    let provider = aws_lc_rs::default_provider();
    rustls::sign::CertifiedKey::from_der(certificates, key, &provider).context("using the certificate that came")?;
    if description.is_good_at(now) {
        return Ok(());
    }
    let Description { not_before, not_after, .. } = description;
    Err(Unfit::Now(anyhow::anyhow!(
        "the certificate that came is good from {not_before} until {not_after}, but by the clock of this machine it is {now:.0}\n\
         hint: timedatectl shows whether the clock is set by the network"
    )))
}

/// Why the order is invalid: what the authority said about it and about each name.
async fn reasons(order: &mut Order, wish: &Wish<'_>) -> anyhow::Error {
    let mut words: Vec<String> = order.state().error.iter().map(say).collect();
    let ask = async {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            for _ in 0..STALE_ATTEMPTS {
                match authorization.refresh().await {
                    Err(error) if is_stale(&error) => {}
                    _ => break,
                }
            }
            let name = authorization.identifier().to_string();
            for problem in authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
                words.push(format!("about {name}: {}", say(problem)));
            }
        }
    };
    if timeout(WORDS_DEADLINE, ask).await.is_err() {
        tracing::warn!("waited {} s for the authority to say why it refused", WORDS_DEADLINE.as_secs());
    }
    if words.is_empty() {
        words.push("it did not say why".to_owned());
    }
    let words = words.join("; ");
    Said(Problem { r#type: None, detail: Some(words), status: None, subproblems: Vec::new() }).context(format!(
        "the authority looked at {} over {} and refused",
        wish.domains.join(", "),
        wish.kind.words()
    ))
}

/// Prepares to speak with the authority.
///
/// # Errors
/// When the file with its root can't be read.
pub(super) fn client(directory_ca: Option<&Path>) -> Result<Client> {
    Client::new(directory_ca)
}

#[cfg(test)]
mod tests;
