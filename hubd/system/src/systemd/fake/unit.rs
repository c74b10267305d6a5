//! What the fake tells about one unit.

use zbus::OwnedObjectPath;

use super::{Fake, Unit, unreachable_path};

/// `org.freedesktop.systemd1.Unit` of one unit.
pub(super) struct FakeUnit {
    fake: Fake,
    name: String,
}

/// `org.freedesktop.systemd1.Service` of one unit.
pub(super) struct FakeService {
    fake: Fake,
    name: String,
}

/// What a unit has that is not loaded any more.
const MISSING: &str = "inactive";

impl FakeUnit {
    pub(super) fn new(fake: &Fake, name: &str) -> Self {
        Self { fake: fake.clone(), name: name.to_owned() }
    }

    fn read<T>(&self, missing: T, read: impl FnOnce(&Unit) -> T) -> T {
        self.fake.state().units.get(&self.name).map_or(missing, read)
    }
}

impl FakeService {
    pub(super) fn new(fake: &Fake, name: &str) -> Self {
        Self { fake: fake.clone(), name: name.to_owned() }
    }

    fn read<T>(&self, missing: T, read: impl FnOnce(&Unit) -> T) -> T {
        self.fake.state().units.get(&self.name).map_or(missing, read)
    }

    fn is_active(&self) -> bool {
        self.read(false, |unit| unit.active_state == "active")
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        self.read(MISSING.to_owned(), |unit| unit.active_state.clone())
    }

    #[zbus(property, name = "InvocationID")]
    fn invocation_id(&self) -> Vec<u8> {
        self.read(Vec::new(), |unit| vec![unit.runs; 16])
    }

    #[zbus(property)]
    fn job(&self) -> (u32, OwnedObjectPath) {
        (0, unreachable_path())
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl FakeService {
    #[zbus(property)]
    fn result(&self) -> String {
        self.read("success".to_owned(), |unit| unit.result.clone())
    }

    #[zbus(property)]
    fn exec_main_code(&self) -> i32 {
        self.read(0, |unit| unit.exec_main_code)
    }

    #[zbus(property)]
    fn exec_main_status(&self) -> i32 {
        self.read(0, |unit| unit.exec_main_status)
    }

    #[zbus(property)]
    fn exec_main_start_timestamp(&self) -> u64 {
        self.read(0, |_| 1_700_000_000_000_000)
    }

    #[zbus(property, name = "MainPID")]
    fn main_pid(&self) -> u32 {
        if self.is_active() { 4242 } else { 0 }
    }

    #[zbus(property)]
    fn memory_current(&self) -> u64 {
        if self.is_active() { 90 << 20 } else { u64::MAX }
    }

    #[zbus(property)]
    fn memory_max(&self) -> u64 {
        self.read(u64::MAX, |unit| {
            unit.properties.get("MemoryMax").and_then(|value| u64::try_from(value).ok()).unwrap_or(u64::MAX)
        })
    }

    #[zbus(property)]
    fn supplementary_groups(&self) -> Vec<String> {
        self.read(Vec::new(), |unit| {
            let groups = unit.properties.get("SupplementaryGroups").and_then(|value| value.try_clone().ok());
            groups.and_then(|value| value.try_into().ok()).unwrap_or_default()
        })
    }

    #[zbus(property)]
    fn environment(&self) -> Vec<String> {
        self.read(Vec::new(), |unit| {
            let variables = unit.properties.get("Environment").and_then(|value| value.try_clone().ok());
            variables.and_then(|value| value.try_into().ok()).unwrap_or_default()
        })
    }

    #[zbus(property)]
    fn bind_read_only_paths(&self) -> Vec<(String, String, bool, u64)> {
        self.read(Vec::new(), |unit| {
            let binds = unit.properties.get("BindReadOnlyPaths").and_then(|value| value.try_clone().ok());
            binds.and_then(|value| value.try_into().ok()).unwrap_or_default()
        })
    }
}
