//! A web server in front of the hub: what to put into its configuration. Pure.

use serde::Serialize;
use url::Url;

/// A web server that is known to work in front of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReverseProxy {
    /// nginx
    Nginx,
    /// Caddy
    Caddy,
    /// Apache
    Apache,
}

/// What is left to do by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// Where to put it.
    pub file: &'static str,
    /// The whole file.
    pub text: String,
    /// What to type then.
    pub command: &'static str,
}

impl ReverseProxy {
    /// The group it runs with, on every system the hub is made for.
    pub fn group(self) -> &'static str {
        match self {
            Self::Nginx | Self::Apache => "www-data",
            Self::Caddy => "caddy",
        }
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Apache => "apache",
        }
    }

    /// The one whose process is called so.
    pub fn of_process(name: &str) -> Option<Self> {
        match name {
            "nginx" => Some(Self::Nginx),
            "caddy" => Some(Self::Caddy),
            "apache2" => Some(Self::Apache),
            _ => None,
        }
    }

    /// What makes it pass on to the hub what is for `url`; `None`: that is no address.
    pub fn snippet(self, url: &str) -> Option<Snippet> {
        let parsed = Url::parse(url).ok()?;
        let (host, path) = (parsed.host_str()?, parsed.path().trim_end_matches('/'));
        let is_https = parsed.scheme() == "https";
        let port = parsed.port_or_known_default()?;
        let certificate = match (self, is_https) {
            (Self::Nginx, true) => {
                "    # Your own:\n    ssl_certificate /etc/ssl/certs/hub.pem;\n    ssl_certificate_key /etc/ssl/private/hub.key;\n"
            }
            (Self::Apache, true) => {
                "    # Your own:\n    SSLEngine on\n    SSLCertificateFile /etc/ssl/certs/hub.pem\n    \
                 SSLCertificateKeyFile /etc/ssl/private/hub.key\n"
            }
            _ => "",
        };
        // Caddy gets a certificate by itself for every name that it is not told to serve in clear.
        let authority = if parsed.port().is_some() { format!("{host}:{port}") } else { host.to_owned() };
        let site = if is_https { authority } else { format!("http://{authority}") };
        let matcher = if path.is_empty() { String::new() } else { format!(" {path}/*") };
        let (file, template, command) = match self {
            Self::Nginx => (
                "/etc/nginx/conf.d/hubd.conf",
                include_str!("assets/reverse_proxy/nginx.conf"),
                "nginx -t && systemctl reload nginx",
            ),
            Self::Caddy => ("/etc/caddy/Caddyfile", include_str!("assets/reverse_proxy/Caddyfile"), "systemctl reload caddy"),
            Self::Apache if is_https => (
                "/etc/apache2/sites-available/hubd.conf",
                include_str!("assets/reverse_proxy/apache.conf"),
                "a2enmod headers proxy proxy_http ssl && a2ensite hubd && systemctl restart apache2",
            ),
            Self::Apache => (
                "/etc/apache2/sites-available/hubd.conf",
                include_str!("assets/reverse_proxy/apache.conf"),
                "a2enmod headers proxy proxy_http && a2ensite hubd && systemctl restart apache2",
            ),
        };
        let text = template
            .replace("{{certificate}}\n", certificate)
            .replace("{{ssl}}", if is_https { " ssl" } else { "" })
            .replace("{{scheme}}", parsed.scheme())
            .replace("{{port}}", &port.to_string())
            .replace("{{host}}", host)
            .replace("{{path}}", path)
            .replace("{{site}}", &site)
            .replace("{{matcher}}", &matcher)
            .replace("{{url}}", url);
        Some(Snippet { file, text, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in_but_a_certificate() {
        for behind in [ReverseProxy::Nginx, ReverseProxy::Caddy, ReverseProxy::Apache] {
            for url in ["http://hub.example.org", "https://hub.example.org", "https://hub.example.org:8443/jupyter"] {
                let text = behind.snippet(url).unwrap().text;
                assert!(!text.contains("{{") && text.contains("/run/hubd-front.sock"), "{behind:?} {url}: {text}");
                let needs_certificate = url.starts_with("https") && behind != ReverseProxy::Caddy;
                assert_eq!(text.contains("Your own"), needs_certificate, "{behind:?} {url}: {text}");
                assert_eq!(text.matches("/jupyter").count() > 1, url.ends_with("/jupyter"), "{behind:?} {url}: {text}");
            }
            assert_eq!(behind.snippet("hub.example.org"), None);
        }
    }

    #[test]
    fn caddy_serves_in_clear_only_what_it_is_told_to() {
        for (url, site) in [
            ("http://hub.example.org", "\nhttp://hub.example.org {\n    reverse_proxy unix//"),
            ("https://hub.example.org", "\nhub.example.org {\n    reverse_proxy unix//"),
            ("https://hub.example.org:8443/jupyter", "\nhub.example.org:8443 {\n    reverse_proxy /jupyter/* unix//"),
        ] {
            let text = ReverseProxy::Caddy.snippet(url).unwrap().text;
            assert!(text.contains(site), "{text}");
        }
    }
}
