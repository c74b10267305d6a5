//! Whether a hub and its machine are well: every check, and mending what can be mended safely.

mod check;
mod look;
mod machine;
mod mend;
mod report;

use hub_core::health::Finding;
use hub_core::paths::Paths;
use serde::Serialize;

use look::Look;

pub use check::configuration::kept;
pub use machine::findings as configured;
pub use mend::{Mended, mend};
pub use report::report;

/// What came of looking at everything.
#[derive(Debug, Default, Serialize)]
pub struct Examination {
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unchecked: Vec<Unchecked>,
}

/// Something that could not be looked at.
#[derive(Debug, Serialize)]
pub struct Unchecked {
    /// What.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

/// Looks at everything. Takes seconds, changes nothing, disturbs nobody.
pub fn examine(paths: &Paths) -> Examination {
    let look = Look::at(paths);
    let mut examination = Examination::default();
    for (what, check) in check::ALL {
        let mut found = Vec::new();
        if let Err(error) = check(&look, &mut found) {
            examination.unchecked.push(Unchecked { what, why: format!("{error:#}") });
        }
        examination.findings.append(&mut found);
    }
    examination.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    examination
}
