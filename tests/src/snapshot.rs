//! What a machine looks like, to be compared with what it looked like before.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use hub_machine::Machine;

/// Files with their owners and bits (of those in `/etc` the content too), accounts, groups, units, listening ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

/// Left out is what changes by itself, what the tools for accounts leave behind, and what apt brings.
const LOOK: &str = r#"
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/tmp -o -path /var/log/journal \
    -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/git -o -path /var/lib/systemd -o -path /var/backups -o -path /var/cache -o -path /var/log/apt \
    -o -path /usr/share -o -path /usr/lib -o -path /usr/bin -o -path /etc/perl -o -path /etc/bash_completion.d \
    -o -path /etc/alternatives -o -path /root \) -prune -o -printf 'file %p %y %u:%g %m %l\n' |
    grep -Ev ' /etc/(passwd-|group-|shadow-|gshadow-|sub[ug]id-?|\.pwd\.lock) | /var/log/(alternatives|dpkg)\.log '
find /etc -xdev -type f \( -name 'passwd*' -o -name 'group*' -o -name 'shadow*' -o -name 'gshadow*' -o -name 'sub?id*' \
    -o -name ld.so.cache -o -path '/etc/bash_completion.d/*' -o -path '/etc/perl/*' \) -prune -o -type f -exec sha256sum '{}' +
sed 's/^/account /' /etc/passwd /etc/group
cut -d: -f1 /etc/shadow | sed 's/^/shadow /'
cut -d: -f1 /etc/gshadow | sed 's/^/gshadow /'
systemctl list-units --all --plain --no-legend --full 'hub*' | sed 's/^/unit /'
systemctl list-unit-files --plain --no-legend --full 'hub*' | sed 's/^/unit file /'
find /run -xdev -name '*hubd*' | sed 's/^/run /'
"#;

impl Snapshot {
    /// Looks at the machine.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn take(machine: &Machine) -> Result<Self> {
        Ok(Self { lines: machine.sh(LOOK)?.lines().map(str::to_owned).collect() })
    }

    /// Says what is different.
    ///
    /// # Errors
    /// When something is.
    pub fn ensure_same(&self, later: &Self) -> Result<()> {
        let new: Vec<_> = later.lines.difference(&self.lines).collect();
        let gone: Vec<_> = self.lines.difference(&later.lines).collect();
        ensure!(new.is_empty() && gone.is_empty(), "new on the machine: {new:#?}\ngone from the machine: {gone:#?}");
        Ok(())
    }
}
