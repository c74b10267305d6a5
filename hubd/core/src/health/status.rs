//! What the hub's own status says is wrong. Pure.

use super::Finding;
use crate::control::HubStatus;
use crate::control::usage::Resource;

/// Everything in `status` that is not as it should be, the worst first.
pub fn of_status(status: &HubStatus) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(problem) = &status.launcher_problem {
        found.push(
            Finding::problem("launcher", format!("the launcher does not answer: {problem}"))
                .because("without it no server can start or stop")
                .remedy("the log says why; --fix starts its socket again")
                .command("systemctl status hubd-launcher.service"),
        );
    } else if status.environment.is_none() {
        found.push(
            Finding::problem("environment", "there is no environment yet")
                .because("no server can start")
                .command("sudo hubctl env status"),
        );
    }
    if let Some(problem) = &status.listen_problem {
        found.push(
            Finding::problem("listen", problem)
                .because("browsers that go there reach nobody")
                .remedy("find out why; another address: sudo hubctl config set http.listen '[\"0.0.0.0:80\"]'")
                .command("systemctl status hubd.socket"),
        );
    }
    if let Some(problem) = &status.https_problem {
        found.push(
            Finding::problem("https", problem)
                .because("browsers warn of the hub, or nobody can log in")
                .command("sudo hubctl https check"),
        );
    }
    if let Some(problem) = &status.accounts_problem {
        found.push(Finding::problem("accounts", problem).split_hint());
    }
    if let Some(problem) = &status.backup_problem {
        found.push(
            Finding::problem("backup", &problem.what)
                .because("what is lost now can't be brought back")
                .remedy(&problem.hint)
                .command("sudo hubctl backup status"),
        );
    }
    for shortage in &status.shortages {
        let what = shortage.what.clone();
        let finding = match (shortage.of, shortage.is_severe) {
            (Resource::Disk, true) => Finding::problem("disk-space", what),
            (Resource::Files, true) => Finding::problem("disk-files", what),
            (Resource::Disk, false) => Finding::warning("disk-space", what),
            (Resource::Files, false) => Finding::warning("disk-files", what),
            // A class that works hard is well, and it passes. Backups are above.
            (Resource::Memory | Resource::Cpu | Resource::DiskSpeed | Resource::Backups, _) => continue,
        };
        found.push(finding.remedy(shortage.remedy.trim_end_matches('.')));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}
