//! The apps that people start beside Jupyter: for each, everybody's servers of it and what forwards to them. They follow the
//! configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::config::{App, AppName, Config};
use hub_core::control::ServerPhase;
use hub_core::launcher::client::Client;
use hub_core::paths::Paths;
use tokio::time::timeout;

use crate::proxy::{Deadlines, Places, Proxy};
use crate::servers::registry::{Registry, Settings};
use crate::servers::{Servers, View};

/// How long the end of all of somebody's apps is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// All apps of the configuration. Clones are the same.
#[derive(Clone, Default)]
pub struct Apps {
    kept: Arc<RwLock<BTreeMap<AppName, Kept>>>,
    places: Places,
}

/// What is there as long as the hub is, for the app may come back.
struct Kept {
    registry: Registry,
    proxy: Proxy,
    /// `None`: the configuration does not have it.
    app: Option<Arc<OneApp>>,
}

/// One app, and everybody's servers of it.
pub struct OneApp {
    /// What it is called in addresses.
    pub name: AppName,
    /// What the configuration says of it.
    pub app: App,
    /// Everybody's.
    pub servers: Arc<dyn Servers>,
    /// What forwards to them.
    pub proxy: Proxy,
}

impl Apps {
    /// What everybody's connections to all their servers count in.
    pub fn places(&self) -> Places {
        self.places.clone()
    }

    /// Follows `config`: what is new can be started, what is gone is found no more. Must be called inside a tokio runtime.
    pub fn set(&self, config: &Config, launcher: &Client, paths: &Paths) {
        let apps = config.all_apps(paths);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for (name, kept) in &mut *kept {
            kept.app = kept.app.take().filter(|_| apps.contains_key(name));
        }
        for (name, app) in &apps {
            let settings = || Settings::new(config, paths).for_app(name.clone(), app.clone());
            let kept = kept
                .entry(name.clone())
                .or_insert_with(|| Kept::new(launcher.for_app(name.clone()), settings(), self.places.clone()));
            kept.registry.set_settings(settings());
            kept.app = Some(Arc::new(OneApp {
                name: name.clone(),
                app: app.clone(),
                servers: Arc::new(kept.registry.clone()),
                proxy: kept.proxy.clone(),
            }));
        }
    }

    /// The app called `name`.
    pub fn find(&self, name: &AppName) -> Option<Arc<OneApp>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(name)?.app.clone()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<OneApp>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).values().filter_map(|kept| kept.app.clone()).collect()
    }

    /// Stops all of `name`'s, and has none of them start that waits for its turn. `false`: there was none.
    pub fn stop(&self, name: &Username) -> bool {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let is_there = |kept: &&Kept| kept.registry.watch(name).borrow().phase != ServerPhase::Stopped;
        let there: Vec<&Kept> = kept.values().filter(is_there).collect();
        for one in &there {
            one.registry.stop(name);
        }
        !there.is_empty()
    }

    /// Returns when none of `name`'s is on its way up or down, at the latest after some time: whoever ends what they run must not be
    /// overtaken by a start that was asked for before.
    pub async fn settled(&self, name: &Username) {
        let all: Vec<_> =
            self.kept.read().unwrap_or_else(PoisonError::into_inner).values().map(|kept| kept.registry.watch(name)).collect();
        let is_settled = |view: &View| matches!(view.phase, ServerPhase::Stopped | ServerPhase::Failed | ServerPhase::Running);
        let settle = async {
            for mut one in all {
                // Whoever is gone has nothing on its way.
                drop(one.wait_for(is_settled).await);
            }
        };
        if timeout(PATIENCE, settle).await.is_err() {
            tracing::warn!(user = %name, "some apps of {name} are on their way after {} s", PATIENCE.as_secs());
        }
    }

    /// Lets go everybody who watches one: the hub is on its way down.
    pub fn close(&self) {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).values().for_each(|kept| kept.registry.close());
    }
}

impl Kept {
    fn new(launcher: Client, settings: Settings, places: Places) -> Self {
        let (registry, departed) = Registry::new(launcher, settings);
        let users = registry.clone();
        let proxy = Proxy::new(Deadlines::default(), places, move |name| users.touch(name));
        tokio::spawn(proxy.clone().see_off(departed));
        Self { registry, proxy, app: None }
    }
}

/// Where `name`'s `app` is on the hub, without what the hub itself is below; with a slash at the end.
pub fn address(name: &Username, app: &AppName) -> String {
    format!("/user/{name}/apps/{app}/")
}
