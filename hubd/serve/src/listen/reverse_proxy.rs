//! The socket of a web server in front of the hub: that server says whose request it passes on, and whether it came
//! encrypted. Nobody else can connect there, and at every other socket such headers mean nothing.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use http::header::HeaderMap;
use hyper::body::Incoming;

use super::{Answer, Client, Handler};

/// The hub's pages, for clients of the server in front.
pub(super) struct ReverseProxy<H> {
    /// The pages.
    pub pages: Arc<H>,
}

impl<H: Handler> Handler for ReverseProxy<H> {
    type Body = H::Body;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<H::Body> {
        let client = passed_on(request.headers(), client);
        self.pages.handle(request, client).await
    }
}

/// Whose request it is. A server in front adds to the end of what its client sent, so only the last word counts.
fn passed_on(headers: &HeaderMap, neighbour: Client) -> Client {
    let last = |name: &str| {
        let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        value.rsplit(',').next().map(str::trim)
    };
    let address = last("x-forwarded-for").and_then(|text| text.parse::<IpAddr>().ok());
    let https = last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    Client { address: address.map_or(neighbour.address, |address| address.to_canonical()), https }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_last_word_is_that_of_the_server_in_front() {
        let neighbour = Client { address: "127.0.0.1".parse().unwrap(), https: false };
        for (pairs, address, https) in [
            (&[][..], "127.0.0.1", false),
            (&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")], "192.0.2.7", true),
            (&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "http")], "192.0.2.7", false),
            // What the client itself said stands before.
            (&[("x-forwarded-for", "198.51.100.1, 192.0.2.7")], "192.0.2.7", false),
            (&[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.7")], "192.0.2.7", false),
            (&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")], "127.0.0.1", false),
            (&[("x-forwarded-for", "::ffff:192.0.2.7")], "192.0.2.7", false),
            (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1", false),
            (&[("x-forwarded-for", "192.0.2.7, unknown")], "127.0.0.1", false),
            (&[("x-forwarded-for", "192.0.2.7,")], "127.0.0.1", false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let expected = Client { address: address.parse().unwrap(), https };
            assert_eq!(passed_on(&headers, neighbour), expected, "{pairs:?}");
        }
    }
}
