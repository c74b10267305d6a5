//! `[https]`: which keys belong together.

use super::{Check, Span, absolute, first, read};
use crate::config::{Https, HttpsMethod};

#[derive(Clone, Copy, PartialEq)]
enum Method {
    Files,
    Acme,
    Lan,
}

impl Check<'_, '_> {
    pub(super) fn https(&mut self) -> Option<Https> {
        let table = self.tree.https.clone()?;
        let place = |check: &Self, key: &str| check.tree.entries.get(&format!("https.{key}")).map(|entry| entry.key.clone());
        let (certificate_place, key_place) = (place(self, "certificate"), place(self, "key"));
        let [email_place, domains_place, directory_place, root_place] =
            ["email", "domains", "directory", "directory_ca"].map(|key| place(self, key));
        let method_place = place(self, "method");
        let has_files = certificate_place.is_some() || key_place.is_some();
        let method = match self.text("https.method", method) {
            Some(method) => Some(method),
            // A wrong one is a problem already.
            None if method_place.is_some() => return self.forget(),
            None if has_files => Some(Method::Files),
            None => None,
        };
        let Some(method) = method else {
            let given = [&email_place, &domains_place, &directory_place, &root_place].into_iter().flatten().next();
            let is_said =
                given.is_some() || self.tree.entries.contains_key("https.listen") || self.tree.entries.contains_key("https.hsts");
            if is_said {
                let hint = match given {
                    Some(_) => "say how: method = \"acme\" or method = \"lan\"",
                    None => "give both `certificate` and `key`",
                };
                self.incomplete(
                    given.cloned().unwrap_or(table),
                    "[https] does not say where the certificate comes from",
                    Some(hint),
                );
            }
            return self.forget();
        };
        for (key, place, methods) in [
            ("certificate", &certificate_place, &[Method::Files][..]),
            ("key", &key_place, &[Method::Files]),
            ("email", &email_place, &[Method::Acme]),
            ("domains", &domains_place, &[Method::Acme, Method::Lan]),
            ("directory", &directory_place, &[Method::Acme]),
            ("directory_ca", &root_place, &[Method::Acme]),
        ] {
            if let Some(place) = place.clone().filter(|_| !methods.contains(&method)) {
                self.conflict(place, format!("`{key}` means nothing with method {}", written(method)), Some("take it out"));
            }
        }
        let listen = self.addresses("https.listen", 443);
        let hsts = self.switch("https.hsts").unwrap_or(false);
        let method_place = method_place.unwrap_or(table);
        let method = match method {
            Method::Files => self.files(certificate_place, key_place, method_place)?,
            Method::Acme => self.acme(method_place)?,
            Method::Lan => HttpsMethod::Lan { domains: self.domains(read::host) },
        };
        Some(Https { listen, method, hsts })
    }

    fn files(&mut self, certificate_place: Option<Span>, key_place: Option<Span>, method_place: Span) -> Option<HttpsMethod> {
        let certificate = self.text("https.certificate", absolute);
        let key = self.text("https.key", absolute);
        match (&certificate_place, &key_place) {
            (Some(_), Some(_)) => {}
            (one, other) => {
                let place = one.clone().or_else(|| other.clone()).unwrap_or(method_place);
                self.incomplete(place, "a certificate and its key belong together", Some("give both `certificate` and `key`"));
            }
        }
        Some(HttpsMethod::Files { certificate: certificate?, key: key? })
    }

    fn acme(&mut self, method_place: Span) -> Option<HttpsMethod> {
        let is_given = |check: &Self, key: &str| check.tree.entries.contains_key(key);
        let (has_email, has_domains) = (is_given(self, "https.email"), is_given(self, "https.domains"));
        let email = self.text("https.email", read::email);
        let domains = self.domains(read::public_domain);
        let directory = self.text("https.directory", read::directory);
        let directory_ca = self.text("https.directory_ca", absolute);
        if !has_email {
            let hint = "add a line as in email = \"admin@example.org\"";
            self.incomplete(method_place.clone(), "method \"acme\" needs an `email`", Some(hint));
        }
        if !has_domains {
            let hint = "add a line as in domains = [\"hub.example.org\"]";
            self.incomplete(method_place, "method \"acme\" needs `domains`", Some(hint));
        }
        Some(HttpsMethod::Acme { email: email?, domains, directory, directory_ca })
    }

    fn domains(&mut self, read: impl Fn(&str) -> Result<String, String>) -> Vec<String> {
        let place = self.tree.entries.get("https.domains").map(|entry| entry.span.clone());
        let before = self.found.count();
        let domains: Vec<String> = self.list("https.domains", read).unwrap_or_default().into_iter().map(first).collect();
        if let Some(place) = place.filter(|_| domains.is_empty() && self.found.count() == before) {
            self.problem(place, "`domains` is empty", Some("name at least one, as in domains = [\"hub.example.org\"]"));
        }
        domains
    }

    /// No https; what else the table says is judged all the same.
    fn forget(&mut self) -> Option<Https> {
        // Without https nobody claims its usual port.
        if self.tree.entries.contains_key("https.listen") {
            self.addresses("https.listen", 443);
        }
        self.switch("https.hsts");
        self.text("https.certificate", absolute);
        self.text("https.key", absolute);
        self.text("https.email", read::email);
        self.list("https.domains", read::host);
        self.text("https.directory", read::directory);
        self.text("https.directory_ca", absolute);
        None
    }
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "files" => Ok(Method::Files),
        "acme" => Ok(Method::Acme),
        "lan" => Ok(Method::Lan),
        other => Err(format!("{other:?} is not a way to get a certificate; expected \"files\", \"acme\" or \"lan\"")),
    }
}

fn written(method: Method) -> &'static str {
    match method {
        Method::Files => "\"files\"",
        Method::Acme => "\"acme\"",
        Method::Lan => "\"lan\"",
    }
}
