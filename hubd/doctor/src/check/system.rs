//! The machine underneath: its clock, how long its distribution gets security updates, what it does at night.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use hub_core::health::Finding;
use hub_system::command::Command;
use hub_system::distribution::os_release_field;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::look::Look;

/// Certificates and logins tolerate this much.
const LARGEST_CLOCK_ERROR: Duration = Duration::from_secs(300);
/// How long before its end somebody should plan for another release.
const NOTICE_DAYS: i32 = 120;
const APT_CONFIG: &str = "/usr/bin/apt-config";
const ASK_DEADLINE: Duration = Duration::from_secs(15);

/// When the last security updates come, also those of the long-term teams.
const ENDS: [(&str, &str, Date); 6] = [
    ("debian", "11", date(2026, 8, 31)),
    ("debian", "12", date(2028, 6, 30)),
    ("debian", "13", date(2030, 6, 30)),
    ("ubuntu", "22.04", date(2027, 4, 30)),
    ("ubuntu", "24.04", date(2029, 4, 30)),
    ("ubuntu", "26.04", date(2031, 4, 30)),
];

/// What was written in the future was written by a clock that was right, or this one was set back.
pub(super) fn clock(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let now = SystemTime::from(look.now);
    let newest = [look.paths.receipt(), look.paths.config_file()]
        .iter()
        .filter_map(|path| path.metadata().ok()?.modified().ok()?.duration_since(now).ok())
        .max()
        .filter(|ahead| *ahead > LARGEST_CLOCK_ERROR);
    if let Some(ahead) = newest {
        let minutes = ahead.as_secs() / 60;
        found.push(
            Finding::problem("clock", format!("the clock is behind: files of the hub are from {minutes} minutes in the future"))
                .because("certificates and logins depend on it")
                .remedy("let the machine set it by itself: sudo timedatectl set-ntp true")
                .command("timedatectl"),
        );
    }
    Ok(())
}

pub(super) fn release(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let text = fs_err::read_to_string(look.paths.below("etc/os-release"))?;
    found.extend(outdated(&text, look.now.to_zoned(TimeZone::UTC).date()));
    Ok(())
}

fn outdated(os_release: &str, today: Date) -> Option<Finding> {
    let field = |name| os_release_field(os_release, name).unwrap_or_default();
    let (_, _, end) = ENDS.iter().find(|(id, version, _)| (*id, *version) == (&field("ID"), &field("VERSION_ID")))?;
    let days = (*end - today).get_days();
    let name = field("PRETTY_NAME");
    let finding = match days {
        ..0 => Finding::problem("release-end", format!("{name} has had no security updates since {end}")),
        0..=NOTICE_DAYS => {
            Finding::warning("release-end", format!("{name} gets no security updates after {end}, in {days} days"))
        }
        _ => return None,
    };
    let remedy = "upgrade the distribution in a quiet week; the hub builds its environment anew for the new Python";
    Some(finding.because("holes that everybody knows stay open").remedy(remedy).command("cat /etc/os-release"))
}

/// Updates that restart the machine while a class works.
pub(super) fn by_itself(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    if look.paths.below("usr/bin/apt-config").exists() {
        let settings = Command::new(APT_CONFIG, ASK_DEADLINE).env("LC_ALL", "C").arg("dump").run()?;
        found.extend(reboots(&settings));
    }
    Ok(())
}

fn reboots(settings: &str) -> Option<Finding> {
    let value = |key: &str| {
        let line = settings.lines().rfind(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(' ')))?;
        Some(line[key.len()..].trim().trim_end_matches(';').trim_matches('"').to_lowercase())
    };
    let is_on = |key: &str| value(key).is_some_and(|text| ["1", "true", "yes", "on", "always"].contains(&text.as_str()));
    if !is_on("Unattended-Upgrade::Automatic-Reboot") || !is_on("APT::Periodic::Unattended-Upgrade") {
        return None;
    }
    // Without a time: at any moment after an update.
    let time = value("Unattended-Upgrade::Automatic-Reboot-Time").unwrap_or_else(|| "now".to_owned());
    let hour: Option<u32> = time.split(':').next().and_then(|hour| hour.parse().ok());
    if hour.is_some_and(|hour| !(6..23).contains(&hour)) {
        return None;
    }
    let when = if hour.is_some() { format!("at {time}") } else { "right after an update".to_owned() };
    Some(
        Finding::warning("reboot-by-itself", format!("unattended-upgrades may restart the machine {when}"))
            .because("everybody's servers end, in the middle of a class")
            .remedy("write a time at night into a file below /etc/apt/apt.conf.d/: Unattended-Upgrade::Automatic-Reboot-Time \"03:30\";")
            .command("apt-config dump Unattended-Upgrade"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_told_of_before_it_ends() {
        let bookworm = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        let told = |today| outdated(bookworm, today).map(|finding| (finding.is_problem(), finding.what));
        assert_eq!(told(date(2026, 12, 1)), None);
        let soon = "Debian GNU/Linux 12 (bookworm) gets no security updates after 2028-06-30, in 29 days";
        assert_eq!(told(date(2028, 6, 1)), Some((false, soon.to_owned())));
        assert_eq!(told(date(2028, 7, 1)).map(|(is_problem, _)| is_problem), Some(true));
        assert_eq!(outdated("ID=other\nVERSION_ID=1\n", date(2050, 1, 1)), None);
    }

    #[test]
    fn only_a_restart_at_daytime_hits_a_class() {
        let on = "APT::Periodic::Unattended-Upgrade \"1\";\nUnattended-Upgrade::Automatic-Reboot \"true\";\n";
        let told = |more: &str| reboots(&format!("{on}{more}")).map(|finding| finding.what);
        assert_eq!(told("").as_deref(), Some("unattended-upgrades may restart the machine right after an update"));
        let time = |time: &str| format!("Unattended-Upgrade::Automatic-Reboot-Time \"{time}\";\n");
        assert_eq!(told(&time("10:30")).as_deref(), Some("unattended-upgrades may restart the machine at 10:30"));
        assert_eq!(told(&time("03:30")), None);
        assert_eq!(told("Unattended-Upgrade::Automatic-Reboot \"false\";\n"), None);
        assert_eq!(reboots("Unattended-Upgrade::Automatic-Reboot \"true\";\n"), None, "nothing is upgraded by itself");
    }
}
