//! Logins without a browser.

use std::time::Duration;

use anyhow::Result;

use crate::guest::Guest;
use crate::hub::PASSWORD;

const DEADLINE: Duration = Duration::from_secs(120);

/// Logs `name` in at `url` with curl, in the guest, as the page's form does. The cookies are then in the file `jar`; the answer
/// is the status: 303 for who got in.
///
/// # Errors
/// When the hub does not answer.
pub fn with_curl(guest: &dyn Guest, url: &str, name: &str, jar: &str) -> Result<String> {
    guest.script(
        &format!(
            "rm -f {jar}
             token=$(curl -fsS -c {jar} {url}/hub/login | sed -n 's/.*name=\"token\" value=\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)
             curl -sS -o /dev/null -w '%{{http_code}}' -b {jar} -c {jar} -H 'Origin: {url}' --data-urlencode \"token=$token\" \
                 --data-urlencode username={name} --data-urlencode 'password={PASSWORD}' --data next= {url}/hub/login"
        ),
        DEADLINE,
    )
}
