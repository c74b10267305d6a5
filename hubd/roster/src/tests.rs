//! Class lists as they come from editors, spreadsheets and learning platforms, and as they go wrong.

use super::*;

fn no_short_password(_: &Username, password: &str) -> Result<(), String> {
    if password.chars().count() < 8 { Err("the password is too short".to_owned()) } else { Ok(()) }
}

fn read(content: impl AsRef<[u8]>) -> Result<Roster, Problems> {
    parse(content.as_ref(), "class.csv", no_short_password)
}

fn people(content: impl AsRef<[u8]>) -> Vec<(String, Option<String>)> {
    let roster = read(content).unwrap();
    roster.people.into_iter().map(|person| (person.name.to_string(), person.password)).collect()
}

fn names(content: impl AsRef<[u8]>) -> Vec<String> {
    people(content).into_iter().map(|(name, _)| name).collect()
}

fn problems(content: impl AsRef<[u8]>) -> Vec<(usize, usize, String)> {
    let found = read(content).unwrap_err();
    found.diagnostics.into_iter().map(|problem| (problem.line, problem.column, problem.message)).collect()
}

#[test]
fn one_name_a_line_however_it_was_saved() {
    for content in [
        "ada\nbob\n",
        "ada\r\nbob\r\n",
        "ada\rbob\r",
        "\u{feff}ada\r\nbob",
        "# first year\n\n  ada  \n\n#bob\nbob\n\n",
        "name\nada\nbob\n",
        "\u{feff}Username\r\nada\r\nbob\r\n",
        "ada,\nbob,\n,,\n",
        "\"ada\"\n\"bob\"\n",
        "sep=;\nada;\nbob;\n",
    ] {
        assert_eq!(names(content), ["ada", "bob"], "{content:?}");
    }
}

#[test]
fn passwords_come_from_the_column_that_is_called_so() {
    let expected = [("ada".to_owned(), Some("correct horse".to_owned())), ("bob".to_owned(), None)];
    for content in [
        "name,password\nada,correct horse\nbob,\n",
        "Password; Username\ncorrect horse;ada\n;bob\n",
        "sep=;\r\nBenutzername;Passwort\r\nada;correct horse\r\nbob;\r\n",
        "Name,E-mail,Username,Password\nAda L.,a@x.org,ada,\"correct horse\"\nBob,b@x.org,bob,\n",
    ] {
        assert_eq!(people(content), expected, "{content:?}");
    }
    assert_eq!(people("username;password\nada;a,b,c,d,e\n")[0].1.as_deref(), Some("a,b,c,d,e"));
    assert_eq!(people("username,password\nada,\" spaces stay \"\n")[0].1.as_deref(), Some(" spaces stay "));
}

#[test]
fn nothing_is_a_password_that_is_not_called_one() {
    let message = "the list has more than one column, and its first line does not say what they are";
    for content in ["anna,anna.alexandra@school.example\n", "anna;correct horse\n", "anna\tcorrect horse\t3A\n"] {
        assert_eq!(problems(content), [(1, 6, message.to_owned())], "{content:?}");
        assert!(!read(content).unwrap_err().to_string().contains("horse"), "{content:?}");
    }
    let class: String = (0..31).map(|number| format!("s{number},s{number}@school.example\n")).collect();
    assert_eq!(problems(class).len(), 1);
}

#[test]
fn exports_of_learning_platforms_are_understood() {
    let moodle = "username;firstname;lastname;email;course1\nanna;Anna;Schmidt;anna.schmidt@school.example;math\n";
    assert_eq!(people(moodle), [("anna".to_owned(), None)]);
    let canvas = "Student,ID,SIS User ID,SIS Login ID,Section,Quiz (71)\n    Points Possible,,,,,10\n\
                  \"Schmidt, Anna\",71,s71,anna,Math,9\n\"Student, Test\",99,,0f1e2d,Math,\n";
    let roster = read(canvas).unwrap();
    assert_eq!(roster.people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>(), ["anna"]);
    assert_eq!(
        roster.notes,
        ["line 2: `Points Possible` of a gradebook is left out", "line 4: the test student of the platform is left out"]
    );
    let unposted = "Student,ID,SIS Login ID,Section,Quiz (71),Final Score\n,,,,Manual Posting,(read only)\n\"Schmidt, Anna\",71,anna,Math,9,9\n";
    let roster = read(unposted).unwrap();
    assert_eq!(roster.notes, ["line 2: it says nothing about a person, and is left out"]);
    let missing = "the name is missing on this line".to_owned();
    assert_eq!(problems(unposted.replace(",71,anna,", ",71,,")), [(3, 20, missing.clone())]);
    assert_eq!(problems("username,grade\n,5\n"), [(2, 1, missing)]);
    let message = "no column `username`; it has Nachname, Vorname, E-Mail";
    let class: String = (0..31).map(|number| format!("Müller{number};Anna;a{number}@school.example\n")).collect();
    assert_eq!(problems(format!("sep=;\r\nNachname;Vorname;E-Mail\r\n{class}")), [(2, 1, message.to_owned())]);
}

#[test]
fn one_cause_is_told_once() {
    let class: String = (0..31).map(|number| format!("anna.m{number}@school.example\n")).collect();
    let found = read(format!("ada\n{class}Müller\n")).unwrap_err();
    assert_eq!(found.diagnostics.len(), 1);
    let problem = &found.diagnostics[0];
    assert_eq!(problem.message, "32 names can't be logged in with; allowed are a-z, 0-9, `.`, `_` and `-`, the first is this");
    let hint = problem.hint.as_deref().unwrap();
    for line in ["line 2: anna.m0@school.example -> anna.m0", "line 33: Müller -> mueller"] {
        assert!(hint.contains(line), "{hint}");
    }
    let short: String = (0..5).map(|number| format!("s{number},short\n")).collect();
    assert_eq!(
        problems(format!("username,password\n{short}")),
        [(2, 4, "the password is too short (5 lines: 2, 3, 4, 5, 6)".to_owned())]
    );
}

#[test]
fn proposals_are_valid_and_each_is_somebody_elses() {
    let found = read("mueller\nMüller\nmüller\nMueller\n").unwrap_err();
    let hints: Vec<_> = found.diagnostics.iter().map(|problem| problem.hint.as_deref().unwrap()).collect();
    assert_eq!(hints, ["`mueller2` would do", "`mueller3` would do", "`mueller4` would do"]);
}

#[test]
fn columns_that_are_not_used_are_told() {
    assert_eq!(read("username,Vorname,Gruppe\nada,Ada,3\n").unwrap().unused_columns, ["Vorname", "Gruppe"]);
    assert_eq!(read("ada\n").unwrap().unused_columns, Vec::<String>::new());
}

#[test]
fn every_bad_line_is_reported_at_once() {
    assert_eq!(
        problems("username,password\nada\nBob\n# fine\ncy d,\ndora,short\nada\n"),
        [
            (3, 1, "name \"Bob\" contains 'B'; allowed are a-z, 0-9, `.`, `_` and `-`".to_owned()),
            (5, 1, "name \"cy d\" contains ' '; allowed are a-z, 0-9, `.`, `_` and `-`".to_owned()),
            (6, 6, "the password is too short".to_owned()),
            (7, 1, "ada is on line 2 already".to_owned()),
        ]
    );
}

#[test]
fn a_name_that_is_nearly_right_gets_a_suggestion() {
    for (content, suggestion) in [
        ("x\nAda\n", Some("`ada` would do")),
        ("x\nada@example.org\n", Some("`ada` would do")),
        ("x\nAda Lovelace\n", Some("`ada.lovelace` would do")),
        ("x\n漢\n", Some("`han` would do")),
        ("x\n???\n", None),
    ] {
        assert_eq!(read(content).unwrap_err().diagnostics[0].hint.as_deref(), suggestion, "{content:?}");
    }
}

#[test]
fn a_line_without_a_name_is_a_problem() {
    let missing = |line| [(line, 1, "the name is missing on this line".to_owned())];
    assert_eq!(problems("username,password\n,long enough\n"), missing(2));
    assert_eq!(problems("name,x\n,y\n"), missing(2));
}

#[test]
fn a_problem_never_repeats_a_password() {
    for content in [
        "Bob,hunter2hunter2\n",
        "password,name\nhunter2hunter2,Bob\n",
        "password,name\nhunter2,\"bob\n",
        "bob,\"hunter2hunter2\n",
        "bob,hunter2hunter2,x\n",
        "bob,hunter2\n",
        "username,password\nBob,hunter2hunter2\n",
        "username,password\nbob,\"hunter2hunter2\n",
    ] {
        let text = read(content).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("class.csv:"), "{text}");
    }
    assert_eq!(
        read("name,password\nBob,hunter2hunter2\n").unwrap_err().to_string(),
        "class.csv:2:1: name \"Bob\" contains 'B'; allowed are a-z, 0-9, `.`, `_` and `-`\n  |\n2 | Bob,**************\n  | ^^^\n  = hint: `bob` would do"
    );
}

#[test]
fn another_encoding_is_read_and_a_password_never_guessed() {
    let wide: Vec<u8> = "\u{feff}username\tVorname\r\nada\tÄnne\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(names(wide), ["ada"]);
    assert_eq!(names(b"username;Vorname\nada;\xc4nne\n"), ["ada"]);
    let hint = read(b"ada\nb\xf6b\n").unwrap_err().diagnostics[0].hint.clone();
    assert_eq!(hint.as_deref(), Some("`boeb` would do"));
    let message = "the password has letters beyond ASCII, and the list is not UTF-8";
    assert_eq!(problems(b"username;password\nada;hunter2h\xfcnter\n"), [(2, 5, message.to_owned())]);
    let no_text = |kind: &str| [(1, 1, format!("the list can't be read: it is {kind}, not text"))];
    assert_eq!(problems(b"PK\x03\x04\0\0xl/workbook.xml"), no_text("a spreadsheet (as .xlsx, .ods and .xls are)"));
    assert_eq!(problems(b"<!DOCTYPE html>\n<html>"), no_text("a web page"));
    let decomposed = "name \"m\u{fc}ller\" contains '\u{fc}'; allowed are a-z, 0-9, `.`, `_` and `-`";
    assert_eq!(problems("mu\u{308}ller\n"), [(1, 1, decomposed.to_owned())]);
    assert_eq!(problems(b"ada\nb\0b\n"), [(2, 2, "a NUL character".to_owned())]);
    assert!(!read(b"username,password\nada,hunter2\0\n").unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn a_file_with_nobody_is_nobody() {
    for content in ["", "\n\n", "# later\n", "name,password\n", "\u{feff}"] {
        assert_eq!(names(content), Vec::<String>::new(), "{content:?}");
    }
}

#[test]
fn takes_a_whole_university_but_not_more() {
    let class = |size: usize| (0..size).map(|number| format!("s{number}\n")).collect::<String>();
    assert_eq!(names(class(MOST_PEOPLE)).len(), MOST_PEOPLE);
    assert_eq!(problems(class(MOST_PEOPLE + 1)), [(10_001, 1, "more than 10000 people".to_owned())]);
}
