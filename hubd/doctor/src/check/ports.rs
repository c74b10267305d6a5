//! Whether somebody else has the hub's ports. While `hubd.socket` listens, nobody else can.

use anyhow::Result;
use hub_core::health::Finding;
use hub_core::sys::ports;

use crate::look::Look;

pub(super) fn taken(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let Ok(config) = &look.config else { return Ok(()) };
    if look.systemctl.status("hubd.socket")?.active == "active" {
        return Ok(());
    }
    let listeners = ports::probe(&[])?;
    let wanted = config.http.listen.iter().chain(config.https.iter().flat_map(|https| &https.listen));
    for wanted in wanted {
        if let Some(other) = listeners.iter().find(|listener| listener.blocks(*wanted)) {
            found.push(
                Finding::problem("port-taken", format!("port {} is taken by {}", wanted.port(), other.who()))
                    .about(wanted.to_string())
                    .because("the hub can't listen there, so browsers reach something else")
                    .remedy("stop that program for good, or let the hub listen elsewhere: sudo hubctl config set http.listen '[\"0.0.0.0:8000\"]'")
                    .command("sudo ss -ltnp"),
            );
        }
    }
    Ok(())
}
