//! The page of the class list: what a list changes is shown, can be corrected, and is done when it is what was shown.

use axum::body::Body;
use http::{HeaderValue, Method, StatusCode};
use hub_core::accounts::Username;

use super::desk::{Answer, Browser, Desk, PASSWORD};
use super::markup;
use crate::auth::Maker;

const CONFIG: &str = "[roles]\nadmins = [\"ada\"]\nteachers = [\"tess\"]\nhelpers = [\"hugo\"]\n";
const PAGE: &str = "/hub/people/add";
const CLASS: &str =
    "Nachname;Vorname;E-Mail\nM\u{fc}ller;Anna;anna.mueller@school.example\nM\u{fc}ller;Anna;a.m@school.example\n";

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

async fn desk() -> Desk {
    let desk = Desk::with_config(CONFIG).await;
    for one in ["tess", "hugo"] {
        desk.people.add(&name(one), Some(PASSWORD), &Maker::Host).await.unwrap();
    }
    desk
}

async fn tess(desk: &Desk) -> Browser<'_> {
    let mut browser = desk.browser();
    browser.log_in("tess").await;
    browser
}

/// Sends the form as browsers do when there is a file field in it.
async fn send(browser: &mut Browser<'_>, fields: &[(&str, &str)], file: &[u8]) -> Answer {
    let token = browser.get(PAGE).await.hidden("token");
    let mut body = Vec::new();
    for (name, value) in fields.iter().chain(&[("token", token.as_str())]) {
        body.extend(format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    let head = "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"class.csv\"\r\nContent-Type: text/csv\r\n\r\n";
    body.extend(head.bytes().chain(file.iter().copied()).chain(*b"\r\n--xyz--\r\n"));
    let mut request = browser.request(Method::POST, PAGE, "same-origin", Some(&[]));
    request.headers_mut().insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=xyz"));
    *request.body_mut() = Body::from(body);
    browser.send(request).await
}

/// Everything that the form of a page would send, with what is chosen in it.
fn fields(page: &Answer) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut select = String::new();
    for element in markup::elements(&page.body) {
        let name = element.attribute("name").unwrap_or_default().to_owned();
        let value = element.attribute("value").unwrap_or_default().to_owned();
        match element.name.as_str() {
            "input" if element.attribute("type") == Some("hidden") && name != "token" => fields.push((name, value)),
            "select" => select = name,
            "option" if element.attribute("selected").is_some() => fields.push((select.clone(), value)),
            _ => {}
        }
    }
    fields
}

/// Sends the form of `page` with these fields in place of what was in it.
async fn go_on(browser: &mut Browser<'_>, page: &Answer, list: &str, more: &[(&str, &str)]) -> Answer {
    let shown = fields(page);
    let mut all: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend(more);
    all.push(("list", list));
    send(browser, &all, b"").await
}

#[tokio::test]
async fn a_file_is_shown_corrected_and_done() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let latin: Vec<u8> = CLASS.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let page = send(&mut browser, &[("list", "")], &latin).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let text = page.text();
    assert!(text.contains("anna.mueller made Anna M\u{fc}ller anna.mueller@school.example"), "{text}");
    assert!(text.contains("Nothing is done yet. 2 people are new."), "{text}");
    assert!(desk.people.find(&name("anna.mueller")).await.unwrap().is_none());
    let list = CLASS.replace('\n', "\r\n");
    let swapped = [("column.0", "given"), ("column.1", "family"), ("do", "look")];
    let text = go_on(&mut browser, &page, &list, &swapped).await.text();
    assert!(text.contains("M\u{fc}ller Anna anna.mueller@school.example"), "{text}");
    let done = go_on(&mut browser, &page, &list, &[("do", "go")]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let text = done.text();
    assert!(text.contains("2 people were added") && text.contains("Anna M\u{fc}ller a.m"), "{text}");
    assert_eq!(done.body.matches("as a QR code").count(), 2);
    let again = send(&mut browser, &[], &latin).await.text();
    assert!(again.contains("There is nothing to do."), "{again}");
}

#[tokio::test]
async fn only_what_was_shown_is_done() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let page = send(&mut browser, &[("list", "eve\nzoe")], b"").await;
    let other = go_on(&mut browser, &page, "eve\nmallory", &[("do", "go")]).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(
        other.text().contains("something has changed since you last looked") && other.text().contains("mallory"),
        "{}",
        other.text()
    );
    assert!(desk.people.find(&name("eve")).await.unwrap().is_none());
    let forged = send(&mut browser, &[("list", "eve"), ("do", "go"), ("mark", "x")], b"").await;
    assert_eq!(forged.status, StatusCode::CONFLICT);
    let done = go_on(&mut browser, &page, "eve\nzoe", &[("do", "go")]).await;
    assert!(done.text().contains("2 people were added"), "{}", done.text());
}

#[tokio::test]
async fn a_list_comes_back_as_it_was_read() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let wide: Vec<u8> = "\u{feff}\nName\tMail\r\n\u{c4}nne K\ta@x.org\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let page = send(&mut browser, &[], &wide).await;
    // Browsers leave out a line end that follows the tag at once.
    let list = page.body.split("aria-label=\"The list\">\n").nth(1).unwrap().split("</textarea>").next().unwrap();
    assert_eq!(list, "\nName\tMail\n\u{c4}nne K\ta@x.org\n");
    let done = go_on(&mut browser, &page, &list.replace('\n', "\r\n"), &[("do", "go")]).await;
    assert!(done.text().contains("One person was added"), "{}", done.text());
    assert!(desk.people.find(&name("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_is_absent_is_blocked_only_when_that_is_ticked() {
    let desk = desk().await;
    for number in 0..9 {
        desk.people.add(&name(&format!("s{number}")), None, &Maker::Host).await.unwrap();
    }
    let mut browser = tess(&desk).await;
    let class: Vec<String> = (0..9).map(|number| format!("s{number}")).collect();
    let list = class.join("\n");
    let page = send(&mut browser, &[("list", &list)], b"").await;
    assert!(page.text().contains("Not on this list 1 bob"), "{}", page.text());
    assert!(!page.body.contains("name=\"whole\" value=\"yes\" checked"), "{}", page.body);
    let kept = go_on(&mut browser, &page, &list, &[("do", "go")]).await;
    assert!(kept.text().contains("There was nothing to do"), "{}", kept.text());
    assert!(!desk.people.find(&name("bob")).await.unwrap().unwrap().blocked);
    let done = go_on(&mut browser, &page, &list, &[("do", "go"), ("whole", "yes")]).await;
    assert!(done.text().contains("One person was blocked"), "{}", done.text());
    assert!(desk.people.find(&name("bob")).await.unwrap().unwrap().blocked);
    let half = class[..5].join("\n");
    let page = send(&mut browser, &[("list", &half)], b"").await;
    let asked = go_on(&mut browser, &page, &half, &[("do", "go"), ("whole", "yes")]).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert!(
        asked.text().contains("many people would be blocked") && asked.text().contains("Yes, all of them leave"),
        "{}",
        asked.text()
    );
    assert!(!desk.people.find(&name("s8")).await.unwrap().unwrap().blocked);
    let done = go_on(&mut browser, &page, &half, &[("do", "go"), ("whole", "yes"), ("many", "yes")]).await;
    assert!(done.text().contains("4 people were blocked"), "{}", done.text());
}

#[tokio::test]
async fn what_is_no_list_says_what_helps() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    for (file, says) in [
        (
            &b"PK\x03\x04\0\0xl/workbook.xml"[..],
            "it is a spreadsheet (as .xlsx, .ods and .xls are), not text. What helps: open it",
        ),
        (b"a\0b", "a NUL character"),
        (b" \n", "There is no name in the list."),
    ] {
        let answer = send(&mut browser, &[], file).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{says}");
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    let answer = send(&mut browser, &[], &vec![b'x'; (2 << 20) + 1]).await;
    assert!(answer.text().contains("it has more than 2048 kB"), "{}", answer.text());
    assert_eq!(send(&mut browser, &[], &vec![b'x'; 4 << 20]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let many: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(send(&mut browser, &many, b"").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_list_says_stays_text() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let shape = |page: &Answer| markup::elements(&page.body).iter().map(markup::Element::shape).collect::<Vec<_>>();
    let list = |text: &str| format!("username,name,email\neve,{text},{text}@x\nzoe,Zoe,{text}\n");
    let harmless = send(&mut browser, &[("list", &list("x"))], b"").await;
    for text in [
        "<img/src=x/onerror=alert(1)>",
        "'><script>alert(1)</script>",
        "</textarea></form><form/action=//evil>",
        "{{7*7}}&lt;b&gt;",
    ] {
        let page = send(&mut browser, &[("list", &list(text))], b"").await;
        assert_eq!(shape(&page), shape(&harmless), "{text}");
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    let turned = send(&mut browser, &[("list", "username,name\neve,Eve \u{202e}evE\n")], b"").await;
    let table = turned.body.split("id=\"comes\"").nth(1).unwrap().to_owned();
    assert!(table.contains("Eve evE") && !table.contains('\u{202e}'), "{table}");
}

#[tokio::test]
async fn a_file_without_the_token_or_from_elsewhere_does_nothing() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let body = "--xyz\r\nContent-Disposition: form-data; name=\"list\"\r\n\r\neve\r\n--xyz--\r\n";
    for (site, status) in [("same-origin", StatusCode::FORBIDDEN), ("cross-site", StatusCode::FORBIDDEN)] {
        let mut request = browser.request(Method::POST, PAGE, site, Some(&[]));
        request.headers_mut().insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=xyz"));
        *request.body_mut() = Body::from(body);
        assert_eq!(browser.send(request).await.status, status, "{site}");
    }
    let mut student = desk.browser();
    student.log_in("bob").await;
    assert_eq!(student.post(PAGE, &[("list", "eve")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_persons_name_is_corrected_on_their_page() {
    let desk = desk().await;
    let mut browser = tess(&desk).await;
    let text = browser.get("/hub/people/bob").await.text();
    assert!(text.contains("Correct the full name or the e-mail address") && text.contains("Log out everywhere"), "{text}");
    let filled = [("login", "bob"), ("full_name", " Bob \"Bobby\" O\u{2019}Neill "), ("email", "bob@school.example")];
    let page = send(&mut browser, &filled, b"").await;
    let text = page.text();
    assert!(text.contains("Bob \"Bobby\" O\u{2019}Neill"), "{text}");
    assert!(
        desk.people.find(&name("bob")).await.unwrap().unwrap().profile.full_name.is_none(),
        "it was done before it was shown"
    );
    let list = "username,full name,email\n\"bob\",\"Bob \"\"Bobby\"\" O\u{2019}Neill\",\"bob@school.example\"\n";
    let done = go_on(&mut browser, &page, list, &[("do", "go")]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    let bob = desk.people.find(&name("bob")).await.unwrap().unwrap();
    assert_eq!(bob.profile.full_name.as_deref(), Some("Bob \"Bobby\" O\u{2019}Neill"));
    assert_eq!(bob.profile.email.as_deref(), Some("bob@school.example"));
}
