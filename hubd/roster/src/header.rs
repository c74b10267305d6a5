//! The first line of a class list: which column is which, in the words of learning platforms and spreadsheets. A list is never
//! guessed at: what has several columns says what they are, and a password is only what is called one. Pure.

use super::fields::Field;

/// What the column with the name to log in with is called, the surest first; small letters and digits alone.
pub(super) const LOGIN: [&str; 13] = [
    "username",
    "loginid",
    "sisloginid",
    "loginname",
    "benutzername",
    "anmeldename",
    "nutzername",
    "nomdutilisateur",
    "nombredeusuario",
    "nomeutente",
    "gebruikersnaam",
    "identifiant",
    "login",
];
/// The same for passwords.
pub(super) const PASSWORD: [&str; 3] = ["password", "passwort", "kennwort"];
/// In a list with this column alone, it may as well be somebody's name, or mean another one beside these.
const NAME: &str = "name";
/// Other columns by which a first line is known that names columns.
const OTHER: [&str; 51] = [
    "firstname",
    "lastname",
    "surname",
    "givenname",
    "familyname",
    "middlename",
    "fullname",
    "displayname",
    "email",
    "emailaddress",
    "mail",
    "student",
    "studentid",
    "studentname",
    "id",
    "idnumber",
    "userid",
    "sisid",
    "sisuserid",
    "integrationid",
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
    "vorname",
    "nachname",
    "familienname",
    "emailadresse",
    "gruppe",
    "gruppen",
    "klasse",
    "kurs",
    "matrikelnummer",
    "idnummer",
    "prenom",
    "prénom",
    "nom",
    "nomdefamille",
    "adressedecourriel",
    "groupe",
    "nombre",
    "apellido",
    "apellidos",
    "correo",
    "grupo",
];
/// Those that are nobody's name to log in with, so that even alone they are a heading.
const SURE: [&str; 8] = ["email", "emailaddress", "emailadresse", "firstname", "lastname", "vorname", "nachname", "familienname"];

/// With so many columns about people, a line that has nothing in them is nobody's.
const ENOUGH: usize = 3;

/// Which column is which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) name: usize,
    pub(super) password: Option<usize>,
    /// What the columns are called that are not used.
    pub(super) unused: Vec<String>,
    /// Those that say something about a person.
    about: Vec<usize>,
}

impl Columns {
    /// Why a line of a platform's export is nobody's; `None`: it is somebody's, or should be.
    pub(super) fn nobody(&self, fields: &[Field], name: &str) -> Option<&'static str> {
        let says = |text: &str| fields.iter().any(|field| field.value.trim().eq_ignore_ascii_case(text));
        let is_empty = |at: &usize| fields.get(*at).is_none_or(|field| field.value.trim().is_empty());
        match () {
            () if name.is_empty() && says("Points Possible") => Some("`Points Possible` of a gradebook is left out"),
            () if says("Student, Test") => Some("the test student of the platform is left out"),
            // As above the marks of a gradebook: `Manual Posting`, `(read only)`.
            () if self.about.len() >= ENOUGH && self.about.iter().all(is_empty) => {
                Some("it says nothing about a person, and is left out")
            }
            () => None,
        }
    }
}

/// What the first line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It names the columns.
    Heading(Columns),
    /// It names columns, and not the right ones: why.
    Unusable(String),
    /// It is a line like the others.
    Data,
}

/// Looks at the fields of the first line.
pub(super) fn read(fields: &[Field]) -> First {
    let titles: Vec<String> = fields.iter().map(|field| plain(&field.value)).collect();
    let known = |titles: &[&str]| titles.iter().any(|title| titles_are(fields, title));
    let is_heading = match fields.iter().filter(|field| !field.value.is_empty()).count() {
        // The last is a word that people are called as well.
        1 => known(&LOGIN[..LOGIN.len() - 1]) || known(&SURE) || known(&[NAME]),
        _ => known(&LOGIN) || known(&OTHER) || known(&PASSWORD) || known(&[NAME]),
    };
    if !is_heading {
        return First::Data;
    }
    let all = |title: &str| titles.iter().enumerate().filter(|(_, found)| *found == title).map(|(at, _)| at).collect::<Vec<_>>();
    let mut login = LOGIN.iter().map(|title| all(title)).find(|places| !places.is_empty()).unwrap_or_default();
    if login.is_empty() && !known(&OTHER) {
        login = all(NAME);
    }
    let shown = |at: usize| fields.get(at).map(|field| field.value.as_str()).unwrap_or_default();
    let password: Vec<usize> = PASSWORD.iter().flat_map(|title| all(title)).collect();
    if let [at, _, ..] = if login.len() > 1 { login.as_slice() } else { password.as_slice() } {
        return First::Unusable(format!("the column `{}` is there twice", shown(*at)));
    }
    let Some(&name) = login.first() else {
        let columns: Vec<&str> = fields.iter().map(|field| field.value.as_str()).filter(|title| !title.is_empty()).collect();
        return First::Unusable(format!("no column `username`; it has {}", columns.join(", ")));
    };
    let password = password.first().copied();
    let used = |at: usize| at == name || Some(at) == password;
    let unused = (0..fields.len()).filter(|at| !used(*at)).map(shown).filter(|title| !title.is_empty());
    let says = |title: &str| title == NAME || LOGIN.contains(&title) || PASSWORD.contains(&title) || OTHER.contains(&title);
    let about = titles.iter().enumerate().filter(|(_, title)| says(title)).map(|(at, _)| at).collect();
    First::Heading(Columns { name, password, unused: unused.map(str::to_owned).collect(), about })
}

fn titles_are(fields: &[Field], title: &str) -> bool {
    fields.iter().any(|field| plain(&field.value) == title)
}

/// `SIS Login ID` and `login_id` differ in nothing that matters.
pub(super) fn plain(title: &str) -> String {
    title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fields::split;
    use super::*;

    fn first(line: &str, separator: char) -> First {
        read(&split(line, Some(separator)).unwrap())
    }

    fn columns(line: &str, separator: char) -> (usize, Option<usize>) {
        match first(line, separator) {
            First::Heading(columns) => (columns.name, columns.password),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn understands_what_platforms_and_spreadsheets_write() {
        for (line, separator, expected) in [
            ("username,firstname,lastname,email,course1", ',', (0, None)),
            ("username;password;firstname;lastname;email;cohort1", ';', (0, Some(1))),
            ("Student,ID,SIS User ID,SIS Login ID,Section,Quiz 1 (71)", ',', (3, None)),
            ("user_id,login_id,password,first_name,last_name,email,status", ',', (1, Some(2))),
            ("Last Name\tFirst Name\tUsername\tStudent ID", '\t', (2, None)),
            ("Nachname;Vorname;Benutzername;Passwort", ';', (2, Some(3))),
            ("Name,E-mail,Username,Password", ',', (2, Some(3))),
            ("Nom,Prénom,Nom d'utilisateur", ',', (2, None)),
            ("name,password", ',', (0, Some(1))),
            ("name,x", ',', (0, None)),
            ("Username", ',', (0, None)),
            ("name", ',', (0, None)),
        ] {
            assert_eq!(columns(line, separator), expected, "{line}");
        }
    }

    #[test]
    fn what_lacks_the_column_says_what_it_has() {
        for (line, message) in [
            ("Nachname,Vorname,E-Mail", "no column `username`; it has Nachname, Vorname, E-Mail"),
            ("Name,Vorname,E-Mail", "no column `username`; it has Name, Vorname, E-Mail"),
            (
                "First name,Last name,ID number,Email address,",
                "no column `username`; it has First name, Last name, ID number, Email address",
            ),
            ("E-Mail", "no column `username`; it has E-Mail"),
            ("username,Username", "the column `username` is there twice"),
            ("name,password,Password", "the column `password` is there twice"),
        ] {
            assert_eq!(first(line, ','), First::Unusable(message.to_owned()));
        }
    }

    #[test]
    fn people_are_no_heading() {
        for line in ["ada", "login", "student", "ada,anna@example.org", "ada,secret", ",", ""] {
            assert_eq!(first(line, ','), First::Data, "{line}");
        }
    }
}
