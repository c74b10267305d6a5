//! Changes of every layout people write, by table; and of random files, where nothing but the change may be seen.

use super::*;

const FILE: &str = r#"# The classroom of the statistics department.

[hub]
name = "Statistics"   # shown on every page

[roles]
# Who manages the hub.
admins = [
    "ada", # since 2019
    "grace",  # deputy
]
teachers = ["emmy"]

[limits]
# Memory of one student.
#memory = "1G"
tasks = 200
# Ask before raising this.

[groups.math]
members = ["carl"]
limits = { memory = "2G", tasks = 300 }

[groups.exam.limits]
memory = "4G"
"#;

fn key(text: &str) -> KeyPath {
    text.parse().unwrap()
}

fn lines_of(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// What a change took out and put in, as lines.
fn difference(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (before, after) = (lines_of(before), lines_of(after));
    let same_start = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    let (old, new) = (&before[same_start..], &after[same_start..]);
    let same_end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let own = |lines: &[&str]| lines[..lines.len() - same_end].iter().map(|&line| line.to_owned()).collect();
    (own(old), own(new))
}

fn value(text: &str) -> Value {
    text.parse().unwrap()
}

#[test]
fn a_value_is_replaced_in_its_line() {
    for (name, to, old, new) in [
        ("hub.name", "\"Maths\"", "name = \"Statistics\"   # shown on every page", "name = \"Maths\"   # shown on every page"),
        ("limits.tasks", "300", "tasks = 200", "tasks = 300"),
        ("groups.math.limits.tasks", "1", "limits = { memory = \"2G\", tasks = 300 }", "limits = { memory = \"2G\", tasks = 1 }"),
        ("groups.exam.limits.memory", "\"1G\"", "memory = \"4G\"", "memory = \"1G\""),
    ] {
        let after = set(FILE, &key(name), &value(to)).unwrap();
        assert_eq!(difference(FILE, &after), (vec![old.to_owned()], vec![new.to_owned()]), "{name}");
    }
}

#[test]
fn a_new_key_goes_where_a_person_would_look_for_it() {
    for (name, to, above, new) in [
        ("limits.memory", "\"2G\"", "#memory = \"1G\"", &["memory = \"2G\""][..]),
        ("limits.swap", "\"0\"", "tasks = 200", &["swap = \"0\""]),
        ("roles.helpers", "[\"joe\"]", "teachers = [\"emmy\"]", &["helpers = [\"joe\"]"]),
        ("groups.exam.limits.tasks", "50", "memory = \"4G\"", &["tasks = 50"]),
        ("groups.exam.members", "[\"joe\"]", "memory = \"4G\"", &["", "[groups.exam]", "members = [\"joe\"]"]),
        ("groups.\"year 1\".members", "[]", "memory = \"4G\"", &["", "[groups.\"year 1\"]", "members = []"]),
        ("sessions.lifetime", "\"1d\"", "memory = \"4G\"", &["", "[sessions]", "lifetime = \"1d\""]),
    ] {
        let after = set(FILE, &key(name), &value(to)).unwrap();
        let (old, added) = difference(FILE, &after);
        assert_eq!((old, added), (vec![], new.iter().map(|&line| line.to_owned()).collect()), "{name}");
        let at =
            lines_of(&after).iter().position(|&line| line == new[0] && !line.is_empty() || line == *new.last().unwrap()).unwrap();
        assert_eq!(lines_of(&after)[at - new.len()..][..1], [above], "{name}:\n{after}");
    }
    assert_eq!(set("", &key("a.b"), &value("1")).unwrap(), "[a]\nb = 1\n");
    assert_eq!(set("[a]", &key("a.b"), &value("1")).unwrap(), "[a]\nb = 1\n");
    assert_eq!(set("[a]\nc = 1 # x", &key("a.b"), &value("1")).unwrap(), "[a]\nc = 1 # x\nb = 1\n");
    assert_eq!(
        set("limits.tasks = 1\n[hub]\n", &key("limits.swap"), &value("2")).unwrap(),
        "limits.tasks = 1\nlimits.swap = 2\n[hub]\n"
    );
    assert_eq!(set("limits = {}\n", &key("limits.swap"), &value("2")).unwrap(), "limits = { swap = 2 }\n");
    let inline = set(FILE, &key("groups.math.limits.swap"), &value("\"0\"")).unwrap();
    assert!(inline.contains("limits = { memory = \"2G\", tasks = 300, swap = \"0\" }\n"), "{inline}");
}

#[test]
fn an_example_within_a_text_is_no_place_for_a_key() {
    let source = "[hub]\nannouncement = \"\"\"\n# url = x\n\"\"\"\n";
    assert_eq!(set(source, &key("hub.url"), &value("\"y\"")).unwrap(), format!("{source}url = \"y\"\n"));
}

#[test]
fn a_key_is_taken_out_with_its_line() {
    for (name, lines) in [
        ("hub.name", &["name = \"Statistics\"   # shown on every page"][..]),
        ("limits.tasks", &["tasks = 200"]),
        ("roles.admins", &["admins = [", "    \"ada\", # since 2019", "    \"grace\",  # deputy", "]"]),
        ("groups.exam", &["[groups.exam.limits]", "memory = \"4G\""]),
    ] {
        let after = unset(FILE, &key(name)).unwrap().unwrap();
        assert_eq!(difference(FILE, &after), (lines.iter().map(|&line| line.to_owned()).collect(), vec![]), "{name}");
    }
    for (name, new) in [("memory", "{ tasks = 300 }"), ("tasks", "{ memory = \"2G\" }")] {
        let after = unset(FILE, &key(&format!("groups.math.limits.{name}"))).unwrap().unwrap();
        assert_eq!(difference(FILE, &after).1, [format!("limits = {new}")]);
    }
    let limits = unset(FILE, &key("limits")).unwrap().unwrap();
    assert!(limits.contains("\n# Memory of one student.\n#memory = \"1G\"\n# Ask before raising this.\n"), "{limits}");
    assert_eq!(unset(FILE, &key("limits.swap")), Ok(None));
    assert_eq!(unset(FILE, &key("hub.name.first")), Ok(None));
}

#[test]
fn a_list_grows_and_shrinks_as_it_is_laid_out() {
    for (before, added, after) in [
        ("[]", "x", "[\"x\"]"),
        ("[ ]", "x", "[\"x\"]"),
        ("[\"a\"]", "x", "[\"a\", \"x\"]"),
        ("[\"a\", ]", "x", "[\"a\", \"x\", ]"),
        ("[\"a\"] # all", "x", "[\"a\", \"x\"] # all"),
        ("[\n  \"a\",\n]", "x", "[\n  \"a\",\n  \"x\",\n]"),
        ("[\n  \"a\"\n]", "x", "[\n  \"a\",\n  \"x\"\n]"),
        ("[\n  \"a\" # one\n]", "x", "[\n  \"a\", # one\n  \"x\"\n]"),
        ("[\n  \"a\", # one, two\n  # end\n]", "x", "[\n  \"a\", # one, two\n  \"x\",\n  # end\n]"),
        ("[\n\t\"a\"]", "x", "[\n\t\"a\",\n\t\"x\"]"),
        ("[\n  \"a\"\n  , # odd\n]", "x", "[\n  \"a\"\n  , # odd\n  \"x\",\n]"),
        ("[ # nobody\n]", "x", "[ # nobody\n    \"x\",\n]"),
    ] {
        let (before, after) = (format!("[r]\nl = {before}\n"), format!("[r]\nl = {after}\n"));
        assert_eq!(add(&before, &key("r.l"), &[added.to_owned()]).unwrap().unwrap(), after);
        assert_eq!(add(&after, &key("r.l"), &[added.to_owned()]), Ok(None), "a second time");
    }
    for (before, after) in [
        ("[\"x\"]", "[]"),
        ("[\"x\",]", "[]"),
        ("[\"x\", \"b\"]", "[\"b\"]"),
        ("[\"a\", \"x\"]", "[\"a\"]"),
        ("[\"a\", \"x\", ]", "[\"a\", ]"),
        ("[\"a\", \"x\", \"b\"]", "[\"a\", \"b\"]"),
        ("[\"x\", \"a\", \"x\"]", "[\"a\"]"),
        ("[\n  \"a\", # one\n  \"x\", # two\n  \"b\", # three\n]", "[\n  \"a\", # one\n  \"b\", # three\n]"),
        ("[\n  \"a\", # one\n  \"x\" # two\n]", "[\n  \"a\", # one\n]"),
        ("[\n  # about x\n  \"x\",\n]", "[\n  # about x\n]"),
        ("[\"x\", # one\n \"b\"]", "[# one\n \"b\"]"),
        ("[\"a\", # one\n \"x\"]", "[\"a\", # one\n ]"),
        ("[\n \"a\"\n , \"x\"\n]", "[\n \"a\"\n]"),
    ] {
        let (before, after) = (format!("[r]\nl = {before}\n"), format!("[r]\nl = {after}\n"));
        assert_eq!(remove(&before, &key("r.l"), &["x".to_owned(), "y".to_owned()]).unwrap().unwrap(), after);
    }
    assert_eq!(remove(FILE, &key("roles.admins"), &["joe".to_owned()]), Ok(None));
    assert_eq!(remove(FILE, &key("roles.blocked"), &["joe".to_owned()]), Ok(None));
    let both = add(FILE, &key("roles.blocked"), &["joe".to_owned(), "jim".to_owned()]).unwrap().unwrap();
    assert!(both.contains("teachers = [\"emmy\"]\nblocked = [\"joe\", \"jim\"]\n"), "{both}");
}

#[test]
fn what_can_not_be_done_says_why() {
    assert_eq!(
        set(FILE, &key("limits"), &value("1")).unwrap_err().to_string(),
        "`limits` is a section; expected a key in it, as in `limits.NAME`"
    );
    assert_eq!(add(FILE, &key("hub.name"), &["x".to_owned()]).unwrap_err().to_string(), "`hub.name` is not a list");
    assert_eq!(
        set(FILE, &key("hub.name.first"), &value("1")).unwrap_err().to_string(),
        "`hub.name.first` can't be written into this file, because a part of its name has a value there"
    );
    assert!(matches!(set("[a\n", &key("a.b"), &value("1")), Err(EditError::NotToml(_))));
    assert_eq!("a..b".parse::<KeyPath>().unwrap_err(), "\"a..b\" is not the name of a key; expected one as in `limits.memory`");
    assert_eq!(key("groups.\"year 1\".limits").to_string(), "groups.\"year 1\".limits");
}

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }
}

const SECTIONS: &[&str] = &["hub", "roles", "limits", "groups.math", "groups.math.limits", "users.ada.limits"];
const KEYS: &[&str] = &["a", "b", "c", "list"];
const NAMES: &[&str] = &["ada", "bob", "eve", "joe", "a,b", "# no comment", "]"];

/// A valid file with comments in every place they may have.
fn random_file(dice: &mut Dice) -> String {
    let mut text = String::new();
    let mut remark = 0;
    let mut comment = |dice: &mut Dice, text: &mut String, before: &str| {
        if dice.roll(3) == 0 {
            remark += 1;
            text.push_str(&format!("{before}# remark {remark}, with ] and \" in it"));
        }
    };
    for section in SECTIONS {
        if dice.roll(3) == 0 {
            continue;
        }
        comment(dice, &mut text, "");
        text.push_str(&format!("{}[{section}]", if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }));
        comment(dice, &mut text, "  ");
        text.push('\n');
        for name in KEYS {
            match dice.roll(4) {
                0 => continue,
                1 => text.push_str(&format!("#{name} = 1\n")),
                _ => {}
            }
            if *name != "list" {
                let value = dice.pick(&["1", "\"x\"", "'# y'", "\"\"\"\n[hub]\n# a = 1\n\"\"\"", "true", "1.5"]);
                text.push_str(&format!("{}{name} = {value}", dice.pick(&["", "  "])));
            } else {
                let many = dice.roll(2) == 0;
                text.push_str("list = [");
                let count = dice.roll(4);
                for index in 0..count {
                    text.push_str(if many { "\n    " } else { "" });
                    text.push_str(&format!("\"{}\"", NAMES[(index + dice.roll(2)) % NAMES.len()]));
                    if index + 1 < count || dice.roll(2) == 0 {
                        text.push_str(if many { "," } else { ", " });
                    }
                    if many {
                        comment(dice, &mut text, " ");
                    }
                }
                text.push_str(if many { "\n]" } else { "]" });
            }
            comment(dice, &mut text, " ");
            text.push('\n');
        }
    }
    text
}

/// The lines of `part` are among those of `whole`, in the same order.
fn is_among(part: &[&str], whole: &[&str]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|line| rest.any(|other| other == line))
}

#[test]
fn changes_of_random_files_keep_comments_and_order() {
    let mut dice = Dice(20_261_120);
    let mut changed = 0;
    for round in 0..4000 {
        let before = random_file(&mut dice);
        let name = key(&format!("{}.{}", dice.pick(SECTIONS), dice.pick(KEYS)));
        let value = value(dice.pick(&["7", "\"seven\"", "[\"a\", \"b\"]"]));
        let people = [dice.pick(NAMES).to_owned()];
        let after = match dice.roll(4) {
            0 => set(&before, &name, &value).map(Some),
            1 => unset(&before, &name),
            2 => add(&before, &name, &people),
            _ => remove(&before, &name, &people),
        };
        let after = match after {
            Ok(Some(after)) => after,
            Ok(None) | Err(EditError::NotList(_)) => continue,
            Err(error) => panic!("round {round}: {error}\n{before}"),
        };
        changed += 1;
        // A change is one place in the file: all lines before it and after it are as they were.
        let (old, new) = difference(&before, &after);
        let remarks = |lines: &[String]| lines.iter().filter(|line| line.trim().starts_with('#')).cloned().collect::<Vec<_>>();
        let in_value = old.iter().any(|line| line.contains("\"\"\"") || line.ends_with('[') || line.contains("[\n"));
        assert!(in_value || remarks(&old) == remarks(&new), "round {round}: {old:?} became {new:?}\n{before}");
        let kept: Vec<&str> = lines_of(&before).into_iter().filter(|line| !old.iter().any(|gone| gone == line)).collect();
        assert!(is_among(&kept, &lines_of(&after)), "round {round}\n{before}\n---\n{after}");
        assert!(old.len() <= 8 && new.len() <= 5, "round {round}: {old:?} became {new:?}");
    }
    assert!(changed > 1500, "only {changed} changes");
}

#[test]
fn a_change_and_back_is_the_same_text() {
    let mut dice = Dice(7);
    for _ in 0..1000 {
        let before = random_file(&mut dice);
        let name = key(&format!("{}.new", dice.pick(SECTIONS)));
        let with = set(&before, &name, &value("1")).unwrap();
        let without = unset(&with, &name).unwrap().unwrap();
        assert!(without.starts_with(&before) || is_among(&lines_of(&before), &lines_of(&without)), "{before}\n---\n{without}");
    }
}
