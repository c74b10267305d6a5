//! Which column of a class list is what: by its title in the words of learning platforms, else by what stands in it. A guess is
//! shown before anything comes of it, and a password is only what is called one. Pure.

use std::collections::HashSet;

use hub_core::accounts::Username;
use hub_core::control::roster::Column;

use super::header::{LOGIN, PASSWORD, plain};
use super::table::Row;

/// Titles in small letters and digits alone, the surest first.
const EMAIL: [&str; 22] = [
    "email",
    "emailaddress",
    "emailadresse",
    "mail",
    "mailadresse",
    "emailpreferred",
    "schoolemail",
    "courriel",
    "adressedecourriel",
    "adresseemail",
    "adressemail",
    "correo",
    "correoelectronico",
    "correoelectrónico",
    "direccióndecorreo",
    "indirizzoemail",
    "emailadres",
    "epost",
    "epostadresse",
    "eposta",
    "sähköposti",
    "электроннаяпочта",
];
const GIVEN: [&str; 17] = [
    "firstname",
    "givenname",
    "givennames",
    "forename",
    "first",
    "vorname",
    "vornamen",
    "rufname",
    "prénom",
    "prenom",
    "prénoms",
    "voornaam",
    "fornavn",
    "förnamn",
    "etunimi",
    "imię",
    "jméno",
];
const FAMILY: [&str; 17] = [
    "lastname",
    "surname",
    "familyname",
    "last",
    "nachname",
    "familienname",
    "zuname",
    "nomdefamille",
    "apellidos",
    "apellido",
    "cognome",
    "achternaam",
    "nazwisko",
    "etternavn",
    "efternamn",
    "sukunimi",
    "příjmení",
];
const FULL: [&str; 20] = [
    "fullname",
    "displayname",
    "studentname",
    "student",
    "learner",
    "participant",
    "vollständigername",
    "vollername",
    "anzeigename",
    "teilnehmer",
    "teilnehmerin",
    "schüler",
    "schülerin",
    "nomcomplet",
    "nometprénom",
    "élève",
    "étudiant",
    "nombrecompleto",
    "alumno",
    "nomecompleto",
];
const ID: [&str; 18] = [
    "sisuserid",
    "sisid",
    "idnumber",
    "idnummer",
    "studentid",
    "studentnumber",
    "orgdefinedid",
    "matrikelnummer",
    "matrikelnr",
    "matrikel",
    "matriculationnumber",
    "numéroétudiant",
    "numérodidentification",
    "númerodeid",
    "userid",
    "personid",
    "externalid",
    "id",
];
/// These say the whole name, or the part of it that no other column says.
const EITHER: [&str; 7] = ["name", "names", "nom", "nombre", "nome", "naam", "namn"];
/// Other titles by which a first line is known.
const OTHER: [&str; 14] = [
    "section",
    "group",
    "groups",
    "course",
    "course1",
    "cohort1",
    "class",
    "role",
    "department",
    "institution",
    "gruppe",
    "klasse",
    "kurs",
    "groupe",
];

/// What each column is, and whether the first row names them.
pub(super) fn guess(rows: &[Row], has_heading: Option<bool>) -> (Vec<Column>, bool) {
    let width = rows.iter().map(|row| row.fields.len()).max().unwrap_or(0);
    let Some((first, rest)) = rows.split_first() else { return (Vec::new(), false) };
    let has_heading = has_heading.unwrap_or_else(|| is_heading(first, rest));
    let (titles, rows) =
        if has_heading { (first.fields.iter().map(|title| plain(title)).collect(), rest) } else { (Vec::new(), rows) };
    let mut columns = by_title(&titles, width);
    by_content(&mut columns, rows);
    (columns, has_heading)
}

fn is_heading(first: &Row, rest: &[Row]) -> bool {
    let titles: Vec<String> = first.fields.iter().map(|title| plain(title)).filter(|title| !title.is_empty()).collect();
    let is_known = |title: &String| {
        let title = title.as_str();
        LOGIN.contains(&title)
            || PASSWORD.contains(&title)
            || EITHER.contains(&title)
            || OTHER.contains(&title)
            || [&EMAIL[..], &GIVEN, &FAMILY, &FULL, &ID].iter().any(|words| words.contains(&title))
    };
    match titles.as_slice() {
        // Words that people are called as well, or that are a name to log in with.
        [only] if ["login", "student", "first", "last", "id", "mail"].contains(&only.as_str()) => false,
        _ if titles.iter().any(is_known) => true,
        // In a language that is not known here.
        _ => (0..first.fields.len())
            .any(|at| !first.text(at).contains('@') && !first.text(at).is_empty() && has_addresses(rest, at)),
    }
}

fn by_title(titles: &[String], width: usize) -> Vec<Column> {
    let mut columns = vec![Column::Unused; width];
    let tables: [(Column, &[&str]); 7] = [
        (Column::Login, &LOGIN),
        (Column::Password, &PASSWORD),
        (Column::Email, &EMAIL),
        (Column::GivenName, &GIVEN),
        (Column::FamilyName, &FAMILY),
        (Column::FullName, &FULL),
        (Column::Id, &ID),
    ];
    for (column, words) in tables {
        if let Some(at) = words.iter().find_map(|word| titles.iter().position(|title| title == word)) {
            columns[at] = column;
        }
    }
    let has = |columns: &[Column], column| columns.contains(&column);
    if let Some(at) = EITHER.iter().find_map(|word| titles.iter().position(|title| title == word)) {
        columns[at] = match (has(&columns, Column::GivenName), has(&columns, Column::FamilyName), has(&columns, Column::FullName))
        {
            (true, false, _) => Column::FamilyName,
            (false, true, _) => Column::GivenName,
            (_, _, true) => Column::Unused,
            _ => Column::FullName,
        };
    }
    columns
}

/// Fills in what no title says.
fn by_content(columns: &mut [Column], rows: &[Row]) {
    let has = |columns: &[Column], wanted: &[Column]| columns.iter().any(|column| wanted.contains(column));
    if let Some(at) = columns.iter().position(|column| *column == Column::Login)
        && !has(columns, &[Column::Email])
        && has_addresses(rows, at)
    {
        columns[at] = Column::Email;
    }
    let free = |columns: &[Column]| (0..columns.len()).filter(|at| columns[*at] == Column::Unused).collect::<Vec<_>>();
    if !has(columns, &[Column::Email])
        && let Some(at) = free(columns).into_iter().find(|at| has_addresses(rows, *at))
    {
        columns[at] = Column::Email;
    }
    if has(columns, &[Column::Login, Column::FullName, Column::GivenName, Column::FamilyName]) {
        return;
    }
    if columns.len() == 1 {
        if columns[0] == Column::Unused {
            columns[0] = if most(rows, 0, is_login) { Column::Login } else { Column::FullName };
        }
        return;
    }
    if let Some(at) = free(columns).into_iter().find(|at| most(rows, *at, is_login) && is_each_their_own(rows, *at)) {
        columns[at] = Column::Login;
    }
    match free(columns).into_iter().filter(|at| most(rows, *at, is_name)).collect::<Vec<_>>().as_slice() {
        [] => {}
        [only] => columns[*only] = Column::FullName,
        [first, second, ..] => (columns[*first], columns[*second]) = (Column::GivenName, Column::FamilyName),
    }
}

fn has_addresses(rows: &[Row], at: usize) -> bool {
    most(rows, at, |text| text.contains('@'))
}

fn is_each_their_own(rows: &[Row], at: usize) -> bool {
    let mut seen = HashSet::new();
    rows.iter().map(|row| row.text(at)).all(|text| text.is_empty() || seen.insert(text))
}

/// Whether at least half of what stands in column `at` is so.
fn most(rows: &[Row], at: usize, is_so: impl Fn(&str) -> bool) -> bool {
    let said: Vec<&str> = rows.iter().map(|row| row.text(at)).filter(|text| !text.is_empty()).collect();
    !said.is_empty() && said.iter().filter(|text| is_so(text)).count() * 2 >= said.len()
}

fn is_login(text: &str) -> bool {
    text.parse::<Username>().is_ok() && !text.chars().all(|c| c.is_ascii_digit())
}

/// Words with capitals, as names are written; what may be a password is none.
fn is_name(text: &str) -> bool {
    text.starts_with(char::is_uppercase) && !text.contains(|c: char| c.is_numeric() || "!?#$%&*+=/\\<>".contains(c))
}

#[cfg(test)]
mod tests {
    use super::super::table::rows;
    use super::*;

    fn words(list: &str) -> String {
        let (columns, has_heading) = guess(&rows(list).0, None);
        let words: Vec<&str> = columns.into_iter().map(Column::word).collect();
        format!("{}{}", if has_heading { "# " } else { "" }, words.join(" "))
    }

    #[test]
    fn platforms_and_spreadsheets_are_understood() {
        for (list, expected) in [
            ("First name,Last name,ID number,Email address,Group\nAda,L,7,a@x.org,1", "# given family id email unused"),
            ("Nachname;Vorname;E-Mail\nL;Ada;a@x.org", "# family given email"),
            ("Name;Vorname;Klasse\nL;Ada;7", "# family given unused"),
            ("Nom,Prénom,Adresse de courriel\nL,Ada,a@x.org", "# family given email"),
            ("Nome,Cognome\nAda,L", "# given family"),
            ("Nombre,Apellidos,Correo\nAda,L,a@x.org", "# given family email"),
            ("Student,ID,SIS User ID,SIS Login ID,Section\n\"L, Ada\",1,s1,ada,x", "# name unused id login unused"),
            ("Student,ID,SIS Login ID\n\"L, Ada\",1,ada@x.org", "# name id email"),
            ("username;password;firstname;lastname;email\nada;x;A;L;a@x", "# login password given family email"),
            ("OrgDefinedId,Username,Last Name,First Name,Email\n1,ada,L,A,a@x", "# id login family given email"),
            ("Name\nAda L", "# name"),
            ("Имя ученика,Почта\nАда Л,a@x.org\nБоб М,b@x.org", "# name email"),
        ] {
            assert_eq!(words(list), expected, "{list}");
        }
    }

    #[test]
    fn without_titles_it_goes_by_what_stands_there() {
        for (list, expected) in [
            ("ada\nbob", "login"),
            ("eve\nMüller", "login"),
            ("Anna Müller\nBen Groß\nada", "name"),
            ("a@x.org\nb@x.org", "email"),
            ("Anna Müller;a@x.org\nBen Groß;b@x.org", "name email"),
            ("Anna;Müller;7b\nBen;Groß;7b", "given family unused"),
            ("Anna;Müller;7 B\nBen;Groß;7 B", "given family unused"),
            ("ada;correct horse", "login unused"),
            ("student\nada", "login"),
        ] {
            assert_eq!(words(list), expected, "{list}");
        }
    }

    #[test]
    fn what_is_said_about_the_heading_holds() {
        let rows = rows("Teilnahme\nAnna Müller\nBen Groß").0;
        assert_eq!(guess(&rows, None), (vec![Column::FullName], false));
        assert_eq!(guess(&rows, Some(true)), (vec![Column::FullName], true));
    }
}
