//! What class lists change, by who is there already.

use super::*;

/// A hub without a database.
#[derive(Default)]
struct Class {
    known: Known,
    reserved: HashSet<Username>,
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn ask(list: &str) -> RosterRequest {
    RosterRequest {
        list: list.to_owned(),
        is_guessed: false,
        columns: Vec::new(),
        has_heading: None,
        whole_class: false,
        go: None,
    }
}

impl Class {
    fn of(people: &[&str]) -> Self {
        let mut class = Self::default();
        for one in people {
            class.known.people.push(Listed { name: name(one), profile: Profile::default(), is_blocked: false });
        }
        class
    }

    fn plan(&self, ask: &RosterRequest) -> (RosterPlan, ClassChange) {
        let rules = Rules {
            reserved: &self.reserved,
            is_student: &|name| name.as_str() != "tess",
            may: &|name| if name.as_str() == "tess" { Err("tess is a teacher".to_owned()) } else { Ok(()) },
            judge: &|_, text| if text.len() < 8 { Err("the password is too short".to_owned()) } else { Ok(()) },
        };
        plan(ask, &self.known, &rules)
    }

    /// Plans and does it.
    fn apply(&mut self, ask: &RosterRequest) -> RosterPlan {
        let (plan, change) = self.plan(ask);
        assert_eq!(plan.problems, []);
        for NewPerson { name, profile, .. } in change.comers {
            self.known.people.push(Listed { name, profile, is_blocked: false });
        }
        for (name, profile) in change.profiles {
            self.person(&name).profile = profile;
        }
        for (identity, name) in change.identities {
            self.known.made.entry(identity).or_insert(name);
        }
        for name in change.leavers {
            self.person(&name).is_blocked = true;
        }
        plan
    }

    fn person(&mut self, name: &Username) -> &mut Listed {
        self.known.people.iter_mut().find(|person| person.name == *name).unwrap()
    }

    fn remove(&mut self, name: &str) {
        self.known.people.retain(|person| person.name.as_str() != name);
        self.known.made.insert(format!("gone:{name}"), name.parse().unwrap());
    }
}

fn comers(plan: &RosterPlan) -> Vec<String> {
    plan.comes.iter().map(|comer| comer.name.to_string()).collect()
}

fn problems(plan: &RosterPlan) -> Vec<(Option<usize>, &str)> {
    plan.problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect()
}

const CLASS: &str = "Nachname;Vorname;E-Mail\nMüller;Anna;anna.mueller@school.example\nMÜLLER;ANNA;a.m2@school.example\n\
                     Groß;Zoë;ZOE.GROSS@School.example\nŻółć;Łukasz;\n";

#[test]
fn names_to_log_in_with_are_made_and_stay_for_ever() {
    let mut class = Class::default();
    let plan = class.apply(&ask(CLASS));
    assert_eq!(comers(&plan), ["anna.mueller", "a.m2", "zoe.gross", "lukasz.zolc"]);
    assert!(plan.comes.iter().all(|comer| comer.is_made));
    assert_eq!(plan.comes[2].full_name.as_deref(), Some("Zoë Groß"));
    let again = class.apply(&ask(CLASS));
    assert!(again.is_empty() && again.unchanged == 4 && again.notes.is_empty(), "{again:?}");
    // Sorted otherwise, spelled otherwise, exported otherwise.
    let other = "E-Mail,Name\nzoe.gross@school.example,\"Groß, Zoë\"\nANNA.MUELLER@school.example,Anna Müller\n";
    let (plan, _) = class.plan(&ask(other));
    assert_eq!((comers(&plan), plan.unchanged, plan.changes.len()), (vec![], 0, 2));
    class.remove("anna.mueller");
    let (plan, _) = class.plan(&ask("Name,E-Mail\nAnna Neu,anna.mueller@other.example\nAnna Müller,anna.mueller@school.example"));
    assert_eq!(comers(&plan), ["anna.mueller2", "anna.mueller"], "a name that was somebody's is nobody else's");
}

#[test]
fn two_with_one_name_are_told_apart_by_what_else_is_known() {
    let mut class = Class::default();
    let by_name = "Name,Mail\nAnna Müller,a@x.org\nAnna Müller,anna@y.org\n";
    assert_eq!(comers(&class.apply(&ask(by_name))), ["a", "anna"]);
    let (plan, _) = Class::default().plan(&ask("Name;Nummer\nAnna Müller;7\nAnna Müller;8\n"));
    assert_eq!(problems(&plan), [(Some(3), "the same name is on line 2 already")]);
    let (plan, _) = Class::default().plan(&ask("Name;ID number\nAnna Müller;7\nAnna Müller;8\nAnna Müller;9"));
    assert_eq!(comers(&plan), ["anna.mueller", "anna.mueller2", "anna.mueller3"]);
    let (plan, _) = class.plan(&ask("Name,Mail\nAnna Müller,new@z.org\n"));
    assert_eq!(comers(&plan), ["new"]);
    assert!(plan.notes[0].contains("has the same full name"), "{:?}", plan.notes);
    let mut class = Class::default();
    class.apply(&ask("Name\nAnna Müller\n"));
    let (plan, _) = class.plan(&ask("Name,Mail\nAnna Müller,am@z.org\n"));
    assert_eq!((comers(&plan), plan.changes.len()), (vec![], 1), "one of that name, whose address is new");
}

#[test]
fn a_made_name_gives_no_right_and_is_nobody_elses() {
    let mut class = Class::of(&["tess", "bob"]);
    class.reserved = ["tess", "dora"].map(name).into();
    let list = "Name,Mail\nTess X,tess@x.org\nDora X,dora@x.org\nBob X,bob@x.org\nBob Y,bob@y.org\n";
    let (plan, change) = class.plan(&ask(list));
    assert_eq!(comers(&plan), ["tess2", "dora2", "bob2"]);
    assert_eq!(plan.changes[0].name, name("bob"), "{plan:?}");
    assert!(plan.notes[0].contains("bob is on the hub already"), "{:?}", plan.notes);
    assert!(change.identities.contains(&("mail:bob@x.org".to_owned(), name("bob"))));
}

#[test]
fn a_column_of_names_to_log_in_with_counts() {
    let mut class = Class::of(&["ada"]);
    let plan = class.apply(&ask("username,name,email\nada,Ada L,ada@x.org\nBob,Bob M,\nzoë k,,\n"));
    assert_eq!(comers(&plan), ["bob", "zoe.k"]);
    assert_eq!(plan.changes[0].full_name, Some(Changed { from: None, to: "Ada L".to_owned() }));
    assert!(class.apply(&ask("username,name,email\nada,Ada L,ada@x.org\nBob,Bob M,\nzoë k,,\n")).is_empty());
    // Empty fields take nothing away, and without the column people are known by their address.
    let (plan, _) = class.plan(&ask("name,email\n,ADA@x.org\n"));
    assert_eq!((plan.comes.len(), plan.unchanged + plan.changes.len()), (0, 1));
    let (plan, _) = class.plan(&ask("username\n\nada\n"));
    assert_eq!(plan.unchanged, 1);
    let (plan, _) = class.plan(&ask("username,name\n,Ada\ntess,Tess\nada,Ada L\nada,Ada M\nada,Ada L\n"));
    assert_eq!(
        problems(&plan),
        [
            (Some(2), "the login name is missing on this line"),
            (Some(3), "tess is a teacher"),
            (Some(5), "line 4 is about the same person, and says something else")
        ]
    );
    assert_eq!(plan.notes, ["Line 6 says the same as line 4."]);
}

#[test]
fn what_nobody_may_change_stays_and_is_told() {
    let class = Class::of(&["tess"]);
    let (plan, change) = class.plan(&ask("username,name\ntess,Evil Name\n"));
    assert!(plan.is_empty() && change == ClassChange::default(), "{change:?}");
    assert_eq!(plan.notes, ["Line 2: tess is a teacher; what is stored about them stays."]);
    // Nothing differs, and a number would be theirs for good.
    let (plan, change) = class.plan(&ask("username,id\ntess,S123\n"));
    assert!(plan.is_empty() && change == ClassChange::default(), "{change:?}");
}

#[test]
fn whoever_is_absent_leaves_only_from_a_whole_class() {
    let mut class = Class::of(&["a", "b", "c", "d", "e", "f", "tess"]);
    let list = |names: &[&str]| names.join("\n");
    let (plan, change) = class.plan(&ask(&list(&["a", "b", "c", "d", "e"])));
    assert_eq!((plan.absent.len(), plan.leaves().len(), change.leavers.len()), (1, 0, 0));
    let whole = |names: &[&str]| RosterRequest { whole_class: true, ..ask(&list(names)) };
    let (plan, change) = class.plan(&whole(&["a", "b", "c", "d", "e"]));
    assert_eq!((change.leavers, plan.many_leave), (vec![name("f")], false));
    let (plan, change) = class.plan(&whole(&["a", "b", "c", "d"]));
    assert_ne!(plan.mark, class.plan(&ask("a\nb\nc\n")).0.mark);
    assert_eq!((change.leavers.len(), plan.many_leave), (2, true));
    assert_eq!(plan.mark, class.plan(&ask(&list(&["a", "b", "c", "d"]))).0.mark);
    for nobody in ["", "# nobody\n", "username\n"] {
        let (plan, _) = class.plan(&RosterRequest { list: nobody.to_owned(), ..whole(&[]) });
        assert_eq!(problems(&plan), [(None, "there is nobody in the list")], "{nobody:?}");
    }
    class.apply(&whole(&["a", "b", "c", "d", "e"]));
    let again = class.apply(&whole(&["a", "b", "c", "d", "e"]));
    assert!(again.is_empty() && again.absent.is_empty(), "{again:?}");
    let (plan, _) = class.plan(&ask("f\n"));
    assert_eq!(plan.notes, ["Line 1: f is blocked, and stays so."]);
}

#[test]
fn columns_are_what_whoever_gives_the_list_says() {
    let list = "Anna;Müller;geheim123\nBen;Groß;geheim456\n";
    let columns = [Column::GivenName, Column::FamilyName, Column::Password];
    let (plan, change) = Class::default().plan(&RosterRequest { columns: columns.to_vec(), ..ask(list) });
    assert_eq!(comers(&plan), ["anna.mueller", "ben.gross"]);
    assert_eq!(change.comers[1].password.as_deref(), Some("geheim456"));
    assert!(!serde_json::to_string(&plan).unwrap().contains("geheim"), "{plan:?}");
    let (plan, _) = Class::default().plan(&RosterRequest { columns: vec![Column::Id], ..ask(list) });
    assert_eq!(problems(&plan), [(None, "no column says who people are")]);
    let (plan, _) = Class::default().plan(&RosterRequest { columns: vec![Column::FullName; 3], ..ask(list) });
    assert_eq!(problems(&plan), [(None, "two columns are said to be the full name")]);
    let short = RosterRequest { is_guessed: true, ..ask("username,password\nada,short\nbob,länger als acht\n") };
    assert_eq!(
        problems(&Class::default().plan(&short).0),
        [(Some(2), "the password is too short"), (Some(3), "the password has letters beyond ASCII, and the list is not UTF-8")]
    );
}

#[test]
fn thousands_with_one_name_take_no_longer_than_others() {
    let list: String = (0..5000).map(|number| format!("Anna Müller,{number}\n")).collect();
    let (plan, _) = Class::default().plan(&ask(&format!("Name,ID number\n{list}")));
    assert_eq!((plan.problems.len(), plan.comes.len()), (0, 5000));
    assert_eq!(plan.comes[4999].name, name("anna.mueller5000"));
}
