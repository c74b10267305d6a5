//! Not one byte free where the hub keeps people, and it is killed besides: what was taken away stays away, and whoever has the
//! right password gets in.

use anyhow::{Context as _, Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::login;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "full-disk",
    about: "with /var/lib/hubd full: logins work, a logout, a block and a demotion hold, also after the hub was killed",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// Moves the hub's state to a file system that is soon full.
const SMALL: &str = "
systemctl stop hubd.service
cp -a /var/lib/hubd /root/state
mount -t tmpfs -o size=40m,mode=0700,uid=$(id -u hubd),gid=$(id -g hubd) hubd /var/lib/hubd
cp -a /root/state/. /var/lib/hubd/
systemctl start hubd.service";
const BALLAST: &str = "test $(ls /var/lib/hubd/ballast | wc -l) = 16";
/// Takes all that is left; with `rm`, the room that the hub keeps for itself, too.
const FILL: &str = "dd if=/dev/zero of=/var/lib/hubd/fill bs=4k oflag=append conv=notrunc status=none 2>/dev/null || true; \
                    test $(df --output=avail /var/lib/hubd | tail -n 1) = 0";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob", "eve", "sam", "tess"].map(str::to_owned))?;
    hub.sh("hubctl config add roles.teachers tess")?;
    hub.sh(SMALL)?;
    wait::for_shell(&hub, "the room for the hub", BALLAST)?;
    for name in ["bob", "sam", "tess"] {
        ensure!(log_in(&hub, name)? == "303", "{name} can't log in with room on the disk");
        ensure!(is_in(&hub, name)?, "{name} is not logged in with room on the disk");
    }
    hub.hubctl(&["server", "start", "sam"])?;

    hub.sh(FILL)?;
    ensure!(log_in(&hub, "eve")? == "303" && is_in(&hub, "eve")?, "nobody can log in with the disk just full");
    let left = hub.sh("ls /var/lib/hubd/ballast | wc -l")?;
    context.step(&format!("eve logged in with the disk full; {left} of 16 pieces of room are left"))?;

    // Somebody has taken the rest, too.
    hub.sh(&format!("rm -rf /var/lib/hubd/ballast; {FILL}"))?;
    wait::for_return_of_killed(&hub, "hubd.service")?;
    context.step("the hub starts with no byte free")?;
    ensure!(is_in(&hub, "bob")?, "whoever was logged in is not any more");
    log_out(&hub, "bob")?;
    hub.hubctl(&["user", "block", "sam"])?;
    hub.sh("hubctl config remove roles.teachers tess")?;
    let out = |when: &str| -> Result<()> {
        for name in ["bob", "sam", "tess"] {
            ensure!(!is_in(&hub, name)?, "{name} is still in {when}");
        }
        ensure!(log_in(&hub, "sam")? != "303", "sam gets in {when}");
        wait::for_end(&hub, "hubd-user-sam.service").with_context(|| when.to_owned())?;
        context.step(&format!("out {when}: bob by a logout, sam by a block, tess by a demotion"))
    };
    out("at once")?;
    wait::for_return_of_killed(&hub, "hubd.service")?;
    out("after a kill")?;
    ensure!(log_in(&hub, "eve")? == "303" && is_in(&hub, "eve")?, "nobody can log in with no byte free");
    context.step("eve logged in with no byte free")?;

    hub.sh("rm /var/lib/hubd/fill; systemctl restart hubd.service")?;
    out("with room again")?;
    wait::for_shell(&hub, "the room for the hub", BALLAST)?;
    wait::for_shell(&hub, "the database to be told", "test $(tr -d '\\0' < /var/lib/hubd/revoked | wc -c) = 0")?;
    hub.hubctl(&["user", "unblock", "sam"])?;
    ensure!(log_in(&hub, "sam")? == "303" && is_in(&hub, "sam")?, "sam does not get in again");
    Ok(())
}

/// The status of the login.
fn log_in(hub: &Hub, name: &str) -> Result<String> {
    login::with_curl(&***hub, hub.url(), name, &format!("/root/{name}.jar"))
}

/// Whether the home page opens with what the last login brought.
fn is_in(hub: &Hub, name: &str) -> Result<bool> {
    let url = hub.url();
    Ok(hub.sh(&format!("curl -sS -o /dev/null -w '%{{http_code}}' -b /root/{name}.jar {url}/hub/home"))? == "200")
}

/// The jar keeps the cookie, as somebody would who has copied it.
fn log_out(hub: &Hub, name: &str) -> Result<()> {
    let url = hub.url();
    let code = hub.sh(&format!(
        "token=$(curl -fsS -b /root/{name}.jar {url}/hub/logout | sed -n 's/.*name=\"token\" value=\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)
         curl -sS -o /dev/null -w '%{{http_code}}' -b /root/{name}.jar -H 'Origin: {url}' --data-urlencode \"token=$token\" {url}/hub/logout"
    ))?;
    ensure!(code == "303" || code == "200", "the logout of {name} is answered with {code}");
    Ok(())
}
