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
    ] {
        assert_eq!(names(content), ["ada", "bob"], "{content:?}");
    }
}

#[test]
fn passwords_come_from_the_second_or_the_named_column() {
    let expected = [("ada".to_owned(), Some("correct horse".to_owned())), ("bob".to_owned(), None)];
    for content in [
        "ada,correct horse\nbob\n",
        "ada;correct horse\nbob;\n",
        "ada\tcorrect horse\nbob\t\n",
        "name,password\nada,correct horse\nbob,\n",
        "Password; Username\ncorrect horse;ada\n;bob\n",
        "Name,E-mail,Username,Password\nAda L.,a@x.org,ada,\"correct horse\"\nBob,b@x.org,bob,\n",
    ] {
        assert_eq!(people(content), expected, "{content:?}");
    }
    assert_eq!(people("ada;a,b,c,d,e\n")[0].1.as_deref(), Some("a,b,c,d,e"));
    assert_eq!(people("ada,\" spaces stay \"\n")[0].1.as_deref(), Some(" spaces stay "));
}

#[test]
fn columns_that_are_not_used_are_told() {
    assert_eq!(read("username,Vorname,Gruppe\nada,Ada,3\n").unwrap().unused_columns, ["Vorname", "Gruppe"]);
    assert_eq!(read("ada\n").unwrap().unused_columns, Vec::<String>::new());
}

#[test]
fn every_bad_line_is_reported_at_once() {
    assert_eq!(
        problems("ada\nBob\n# fine\ncy d,\ndora,short\nada\n"),
        [
            (2, 1, "name \"Bob\" contains 'B'; allowed are a-z, 0-9, `.`, `_` and `-`".to_owned()),
            (4, 1, "name \"cy d\" contains ' '; allowed are a-z, 0-9, `.`, `_` and `-`".to_owned()),
            (5, 6, "the password is too short".to_owned()),
            (6, 1, "ada is on line 1 already".to_owned()),
        ]
    );
}

#[test]
fn a_name_that_is_nearly_right_gets_a_suggestion() {
    for (content, suggestion) in [
        ("x\nAda\n", Some("`ada` would do")),
        ("x\nada@example.org\n", Some("`ada` would do")),
        ("x\nAda Lovelace\n", Some("`ada.lovelace` would do")),
        ("x\n漢\n", None),
        (
            "Vorname,Gruppe\nada,1\n",
            Some("`vorname` would do; if this line names the columns, call the one to log in with `username`"),
        ),
    ] {
        assert_eq!(read(content).unwrap_err().diagnostics[0].hint.as_deref(), suggestion, "{content:?}");
    }
}

#[test]
fn a_third_column_needs_a_name() {
    assert_eq!(problems("ada,long enough,group 3\n"), [(1, 17, "more than a name and a password".to_owned())]);
    assert_eq!(problems(",long enough\n"), [(1, 1, "the name is missing on this line".to_owned())]);
    assert_eq!(problems("name,x\n,y\n"), [(2, 1, "the name is missing on this line".to_owned())]);
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
    ] {
        let text = read(content).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("class.csv:"), "{text}");
    }
    assert_eq!(
        read("x\nBob,hunter2hunter2\n").unwrap_err().to_string(),
        "class.csv:2:1: name \"Bob\" contains 'B'; allowed are a-z, 0-9, `.`, `_` and `-`\n  |\n2 | Bob,**************\n  | ^^^\n  = hint: `bob` would do"
    );
}

#[test]
fn another_encoding_is_recognised() {
    assert_eq!(problems(b"\xff\xfea\0d\0a\0"), [(1, 1, "the file is UTF-16".to_owned())]);
    assert_eq!(problems(b"ada\nb\xf6b\n"), [(2, 2, "the file is not UTF-8 here".to_owned())]);
    assert!(!read(b"ada,hunter2\xf6\n").unwrap_err().to_string().contains("hunter2"));
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
