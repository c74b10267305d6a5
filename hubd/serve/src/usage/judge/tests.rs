use super::*;

const GB: u64 = 1 << 30;
const MB: u64 = 1 << 20;

fn person(name: &str, memory: u64, cores: f64) -> Person {
    Person { name: name.parse().unwrap(), memory, cores }
}

/// A machine with 8 GB and 4 processors on which three people work, and nothing is short.
fn well() -> Readings {
    Readings {
        memory: 8 * GB,
        available: Some(4 * GB),
        swap: Some((GB, GB)),
        servers: Some((3 * GB, Some(7 * GB))),
        waited: Waited { memory: Some(0.0), cpu: Some(0.1), disk: Some(0.1) },
        busy: Some(0.5),
        cores: 4,
        homes: Some(room(1, 50 * GB)),
        state: Some(room(2, 50 * GB)),
        people: vec![person("ada", GB, 1.0), person("bob", 3 * GB, 1.9), person("eve", 2 * GB, 0.0)],
    }
}

fn room(device: u64, free_bytes: u64) -> Room {
    Room { device, bytes: 100 * GB, free_bytes, files: 1_000_000, free_files: 500_000 }
}

fn what(readings: &Readings) -> Vec<String> {
    judge(readings).into_iter().map(|found| found.what).collect()
}

fn names(found: &Shortage) -> Vec<(&str, &str)> {
    found.who.iter().map(|share| (share.name.as_str(), share.amount.as_str())).collect()
}

#[test]
fn where_nothing_is_short_or_known_nothing_is_said() {
    assert_eq!(judge(&well()), []);
    assert_eq!(judge(&Readings::default()), []);
    let limitless = Readings { servers: Some((7 * GB, None)), ..well() };
    assert_eq!(judge(&limitless), [], "no limit is not reached");
}

#[test]
fn memory_is_short_from_a_bound_on_and_those_are_named_who_use_most() {
    for (available, expected) in [
        (820 * MB, None),
        (810 * MB, Some(("Memory is nearly full: 2 people use 62 % of it", false))),
        (328 * MB, Some(("Memory is nearly full: 2 people use 62 % of it", false))),
        (327 * MB, Some(("Memory is full: 2 people use 62 % of it", true))),
    ] {
        let found = judge(&Readings { available: Some(available), ..well() });
        assert_eq!(found.first().map(|found| (found.what.as_str(), found.is_severe)), expected, "{available}");
        assert!(found.is_empty() || names(&found[0]) == [("bob", "3 GB"), ("eve", "2 GB")], "{found:?}");
    }
    // A gigabyte is enough, however large the machine.
    let large = Readings { memory: 512 * GB, available: Some(2 * GB), ..well() };
    assert_eq!(what(&large), Vec::<String>::new());
}

#[test]
fn what_is_kept_for_servers_is_short_on_its_own() {
    for (used, expected) in [
        (6299 * GB / 1000, None),
        (6301 * GB / 1000, Some("Memory is nearly full: 2 people use 71 % of it")),
        (6791 * GB / 1000, Some("Memory is full: 2 people use 71 % of it")),
    ] {
        let found = what(&Readings { servers: Some((used, Some(7 * GB))), ..well() });
        assert_eq!(found.first().map(String::as_str), expected, "{used}");
    }
}

#[test]
fn waiting_for_memory_and_swap_that_is_gone_are_signs_of_it() {
    for (share, expected) in [(0.09, None), (0.1, Some("Programs wait for memory 10 % of the time: 2 people use 62 % of it"))] {
        let found = what(&Readings { waited: Waited { memory: Some(share), ..Waited::default() }, ..well() });
        assert_eq!(found.first().map(String::as_str), expected, "{share}");
    }
    let swap = |all, free, available| {
        let found = judge(&Readings { swap: Some((all, free)), available: Some(available), ..well() });
        found.first().map(|found| found.what.clone())
    };
    let full = Some("Memory and swap are nearly full: 2 people use 62 % of it".to_owned());
    assert_eq!(swap(GB, 100 * MB, GB), full);
    assert_eq!(swap(GB, 105 * MB, GB), None);
    assert_eq!(swap(GB, 0, 3 * GB), None, "there is memory enough");
    assert_eq!(swap(0, 0, GB), None, "a machine without swap is none that has used it up");
}

#[test]
fn who_is_not_why_is_not_named() {
    let idle = vec![person("ada", 100 * MB, 0.1), person("bob", 300 * MB, 0.2)];
    let found =
        judge(&Readings { available: Some(300 * MB), busy: Some(1.0), waited: Waited::default(), people: idle, ..well() });
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].what, "Memory is full, and people's servers use only 5 % of it");
    assert_eq!(found[1].what, "The processors are busy, and people's servers use only 8 % of them");
    assert!(found.iter().all(|found| found.who.is_empty() && found.remedy.starts_with("Something else on the machine")));
    let tiny = Readings { available: Some(300 * MB), people: vec![person("ada", 10 * MB, 0.0)], ..well() };
    assert_eq!(what(&tiny), ["Memory is full, and people's servers use hardly any of it"]);
    let nobody = Readings { available: Some(300 * MB), people: Vec::new(), ..well() };
    assert_eq!(what(&nobody), ["Memory is full"]);
}

#[test]
fn one_is_one_and_of_a_whole_class_five_are_named() {
    let one = Readings { available: Some(300 * MB), people: vec![person("ada", 6 * GB, 0.0)], ..well() };
    assert_eq!(what(&one), ["Memory is full: one person uses 75 % of it"]);
    let class = (0..30).map(|number| person(&format!("s{number:02}"), 250 * MB, 0.0)).collect();
    let found = judge(&Readings { available: Some(300 * MB), people: class, ..well() });
    assert_eq!(found[0].who.len(), 5);
    assert_eq!(found[0].what, "Memory is full: 5 people use 15 % of it");
    assert_eq!(names(&found[0])[0], ("s00", "250 MB"), "of those who use as much, the first by name");
}

#[test]
fn busy_processors_are_short_when_somebody_waits() {
    let found = |busy, waited| {
        let readings = Readings { busy, waited: Waited { cpu: waited, ..Waited::default() }, ..well() };
        judge(&readings).first().map(|found| (found.what.clone(), found.who.len()))
    };
    let short = Some(("The processors are busy: 2 people use 72 % of them".to_owned(), 2));
    assert_eq!(found(Some(0.95), Some(0.25)), short);
    assert_eq!(found(Some(0.95), None), short, "a kernel that does not count who waits");
    assert_eq!(found(Some(0.94), Some(0.9)), None);
    assert_eq!(found(Some(1.0), Some(0.24)), None, "busy is well");
    assert_eq!(found(None, Some(1.0)), None);
}

#[test]
fn a_slow_disk_is_said() {
    let found = |share| what(&Readings { waited: Waited { disk: Some(share), ..Waited::default() }, ..well() });
    assert_eq!(found(0.5), ["Programs wait for the disk 50 % of the time"]);
    assert_eq!(found(0.49), Vec::<String>::new());
}

#[test]
fn each_disk_is_judged_and_one_that_holds_both_once() {
    let free = |homes, state| judge(&Readings { homes: Some(homes), state: Some(state), ..well() });
    let told: Vec<_> = free(room(1, 4 * GB), room(2, 400 * MB)).into_iter().map(|found| (found.what, found.is_severe)).collect();
    assert_eq!(
        told,
        [
            ("The disk with people's homes is nearly full: 4 GB of 100 GB are left".to_owned(), false),
            ("The disk with what the hub keeps is full: 400 MB of 100 GB are left".to_owned(), true),
        ]
    );
    let both = free(room(1, 4 * GB), room(1, 4 * GB));
    assert_eq!(both.len(), 1);
    assert!(both[0].what.starts_with("The disk with people's homes and what the hub keeps is nearly full"), "{both:?}");
    assert_eq!(free(room(1, 5 * GB), room(2, 5 * GB)), [], "the bound of a large disk");
    let small = |free_bytes| free(Room { bytes: 10 * GB, ..room(1, free_bytes) }, room(2, 50 * GB)).len();
    assert_eq!((small(1030 * MB), small(1000 * MB)), (0, 1), "the bound of a small one");
}

#[test]
fn files_can_be_short_where_there_is_room() {
    let found = |files, free_files| {
        let homes = Room { files, free_files, ..room(1, 50 * GB) };
        judge(&Readings { homes: Some(homes), ..well() }).into_iter().map(|found| (found.of, found.is_severe)).collect::<Vec<_>>()
    };
    assert_eq!(found(1_000_000, 50_000), []);
    assert_eq!(found(1_000_000, 49_999), [(Resource::Files, false)]);
    assert_eq!(found(1_000_000, 9_999), [(Resource::Files, true)]);
    assert_eq!(found(0, 0), [], "a file system without a bound");
}
