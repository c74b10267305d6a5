//! The moment when access ends: the session did, or everything open to the server must go.

use tokio::sync::watch;

/// Fires when either of two switches turns true or loses its owner.
#[derive(Clone)]
pub(super) struct Cut {
    session: watch::Receiver<bool>,
    server: watch::Receiver<bool>,
}

impl Cut {
    pub(super) fn new(session: watch::Receiver<bool>, server: watch::Receiver<bool>) -> Self {
        Self { session, server }
    }

    /// Whether it has fired.
    pub(super) fn has_fired(&self) -> bool {
        [&self.session, &self.server].iter().any(|switch| *switch.borrow() || switch.has_changed().is_err())
    }

    /// Waits until it fires.
    pub(super) async fn fired(mut self) {
        // An error means that the owner is gone, which counts the same.
        tokio::select! {
            _ = self.session.wait_for(|ended| *ended) => {}
            _ = self.server.wait_for(|gone| *gone) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fires_for_either_switch_and_for_a_lost_owner() {
        for case in 0..4 {
            let (session, session_watch) = watch::channel(false);
            let (server, server_watch) = watch::channel(false);
            let cut = Cut::new(session_watch, server_watch);
            assert!(!cut.has_fired());
            let mut owners = (Some(session), Some(server));
            match case {
                0 => owners.0.as_ref().unwrap().send(true).unwrap(),
                1 => owners.1.as_ref().unwrap().send(true).unwrap(),
                2 => owners.0 = None,
                _ => owners.1 = None,
            }
            assert!(cut.has_fired(), "case {case}");
            cut.fired().await;
        }
    }
}
