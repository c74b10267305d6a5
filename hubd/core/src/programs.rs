//! The programs of the hub, as the table `hubd/programs` lists them.

const TABLE: &str = include_str!("../../programs");

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// The package that builds it.
    pub package: &'static str,
    /// Units that are restarted when it changes.
    pub restarts: Vec<&'static str>,
}

/// All of them, in the order in which an install puts them in place.
pub fn all() -> impl Iterator<Item = Program> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Program { name: words.next()?, package: words.next()?, restarts: words.collect() })
    })
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|program| program.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{LAUNCHER, SERVE};

    #[test]
    fn every_program_of_the_units_is_in_the_table() {
        let units = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units");
        let names: Vec<&str> = names().collect();
        let mut seen = 0;
        for unit in std::fs::read_dir(units).unwrap() {
            let text = std::fs::read_to_string(unit.unwrap().path()).unwrap();
            for line in text.lines() {
                let Some((_, rest)) = line.split_once("/opt/hubd/bin/") else { continue };
                let program = rest.split(' ').next().unwrap();
                assert!(names.contains(&program), "{line}");
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn what_always_runs_is_restarted_with_its_program() {
        let restarts = |name: &str| all().find(|program| program.name == name).unwrap().restarts;
        assert_eq!((restarts("hubd"), restarts("hubd-launcher")), (vec![SERVE], vec![LAUNCHER]));
        assert_eq!(restarts("hubctl"), Vec::<&str>::new());
    }
}
