//! Encrypted connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hubd::listen::{Service, Source, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::backend::{Backend, Recorder};
use crate::support::client::{Connection, get};
use crate::support::{Differences, PATIENCE, World, soon};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/fixtures").join(name)
}

/// Copies certificate and key `name` to where the hub looks for them.
fn install(directory: &TempDir, name: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.path().join("hub.pem"), directory.path().join("hub.key.pem"));
    std::fs::copy(fixture(&format!("{name}.pem")), &certificate).unwrap();
    std::fs::copy(fixture(&format!("{name}.key.pem")), &key).unwrap();
    (certificate, key)
}

async fn world(directory: &TempDir, handshake: Duration) -> (World, Tls) {
    let (certificate, key) = install(directory, "first");
    let tls = Tls::load(&certificate, &key).unwrap();
    let mut differences = Differences { service: Service::Tls(tls.clone()), ..Differences::default() };
    differences.settings.deadlines.handshake = handshake;
    (World::with(differences).await, tls)
}

/// Takes every certificate; which one it was can be asked afterwards.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // What an authority is shown has an extension that checking a signature would stumble over.
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

async fn connect(world: &World, versions: &[&'static SupportedProtocolVersion]) -> Connection<TlsStream<TcpStream>> {
    let protocols = [&b"h2"[..], b"http/1.1"];
    Connection::over(handshake(world, versions, "hub.test", &protocols).await.unwrap())
}

async fn handshake(
    world: &World,
    versions: &[&'static SupportedProtocolVersion],
    name: &'static str,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    soon("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

fn certificate(connection: &Connection<TlsStream<TcpStream>>) -> CertificateDer<'static> {
    connection.stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn requests_and_tunnels_pass_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let (world, _) = world(&directory, PATIENCE).await;
    let mut ada = Backend::listen(&world.enrol("ada"));
    for (versions, expected) in [(&[&version::TLS13], ProtocolVersion::TLSv1_3), (&[&version::TLS12], ProtocolVersion::TLSv1_2)] {
        let mut client = connect(&world, versions).await;
        let session = client.stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));

        client.send(get("/user/ada/x", &["Origin: https://hub"])).await;
        let mut server = ada.accept().await;
        let head = server.head().await;
        assert!(head.contains("\r\nx-forwarded-proto: https\r\n") && head.contains("\r\nx-forwarded-port: 443\r\n"), "{head}");
        let body = vec![b'a'; 3 << 20];
        server.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        let (answer, ()) = tokio::join!(client.answer(), server.write(&body));
        assert_eq!(answer.body, body);
        assert_eq!(client.ask(get("/user/ada/x", &["Origin: http://hub"])).await.status, 403);

        client.send(get("/user/ada/ws", &["Connection: Upgrade", "Upgrade: x"])).await;
        server.head().await;
        server.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 101);
        for _ in 0..3 {
            client.send("ping").await;
            server.read_until(b"ping").await;
            server.write("pong").await;
            client.until(b"pong").await;
        }
        let (received, ()) = tokio::join!(client.exactly(body.len()), server.write(&body));
        assert_eq!(received, body);
        drop(server);
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_without_closing_anything() {
    let directory = tempfile::tempdir().unwrap();
    let (world, tls) = world(&directory, PATIENCE).await;
    let _ada = Recorder::listen(&world.enrol("ada"));
    let first = CertificateDer::from_pem_file(fixture("first.pem")).unwrap();
    let second = CertificateDer::from_pem_file(fixture("second.pem")).unwrap();
    let mut before = connect(&world, rustls::ALL_VERSIONS).await;
    assert_eq!(certificate(&before), first);

    install(&directory, "second");
    tls.reload().unwrap();
    assert_eq!(certificate(&connect(&world, rustls::ALL_VERSIONS).await), second);
    assert_eq!(before.ask(get("/user/ada/x", &[])).await.status, 200);

    // Files that cannot be used change nothing, and the error names them.
    std::fs::copy(fixture("first.pem"), directory.path().join("hub.pem")).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("hub.key.pem"));
    std::fs::write(directory.path().join("hub.pem"), "").unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("is empty"));
    std::fs::remove_file(directory.path().join("hub.key.pem")).unwrap();
    assert!(tls.reload().is_err());
    assert_eq!(certificate(&connect(&world, rustls::ALL_VERSIONS).await), second);
}

/// A certificate for `hub.test` that is good between two days of January 2020.
fn expired() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["hub.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 31);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn changed_files_are_noticed_and_bad_ones_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (world, tls) = world(&directory, PATIENCE).await;
    let second = CertificateDer::from_pem_file(fixture("second.pem")).unwrap();
    install(&directory, "second");
    tls.look();
    assert_eq!(certificate(&connect(&world, rustls::ALL_VERSIONS).await), second);
    assert_eq!(tls.status().problem, None);

    let (expired, key) = expired();
    std::fs::write(directory.path().join("hub.pem"), &expired).unwrap();
    std::fs::write(directory.path().join("hub.key.pem"), key).unwrap();
    tls.look();
    assert_eq!(certificate(&connect(&world, rustls::ALL_VERSIONS).await), second);
    let problem = tls.status().problem.unwrap();
    assert!(problem.contains("is good from 2020-01-01T00:00:00Z until 2020-01-31T00:00:00Z, which is not now"), "{problem}");
    assert!(tls.is_good());

    install(&directory, "first");
    tls.look();
    assert_eq!(tls.status().problem, None);
    assert_eq!(tls.status().certificate.unwrap().issuer, "first.test");
}

#[tokio::test]
async fn without_a_good_certificate_nobody_is_sent_to_it_and_nothing_is_asked_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let paths = (directory.path().join("hub.pem"), directory.path().join("hub.key.pem"));
    let source = Source { certificate: paths.0.clone(), key: paths.1.clone(), keeper: None, answers: None, hsts: true };
    let tls = Tls::open(source);
    let service = Service::Redirect { port: 8443, base: "".into(), tls: tls.clone() };
    let world = World::with(Differences { service, ..Differences::default() }).await;
    let ask = async |path: &str| Connection::open(world.address).await.ask(get(path, &[])).await;

    let answer = ask("/hub/login").await;
    assert_eq!(answer.status, 503);
    let page = String::from_utf8(answer.body).unwrap();
    assert!(page.contains("Not safe to log in right now") && !page.contains("<form"), "{page}");
    // These two are for whoever gives out certificates, and for whoever has to trust one.
    assert_eq!(ask("/hub/ca").await.status, 200);
    assert_eq!(ask("/.well-known/acme-challenge/x").await.status, 200);

    // One that has expired is as good as none.
    let (expired, key) = expired();
    std::fs::write(&paths.0, expired).unwrap();
    std::fs::write(&paths.1, key).unwrap();
    tls.look();
    assert_eq!(ask("/hub/login").await.status, 503);

    install(&directory, "first");
    tls.look();
    assert_eq!(ask("/hub/login").await.status, 308);
    assert_eq!(ask("/hub/ca").await.status, 200);
}

#[tokio::test]
async fn an_authority_is_shown_what_it_asks_for_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = install(&directory, "first");
    let answers = directory.path().join("answers");
    std::fs::create_dir(&answers).unwrap();
    let source = Source { certificate, key, keeper: None, answers: Some(answers.clone()), hsts: false };
    let service = Service::Tls(Tls::open(source));
    let world = World::with(Differences { service, ..Differences::default() }).await;
    let ask = async |name| handshake(&world, rustls::ALL_VERSIONS, name, &[b"acme-tls/1"]).await;
    assert!(ask("hub.test").await.is_err());

    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["hub.test".to_owned()]).unwrap();
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&[7; 32])];
    let shown = params.self_signed(&key).unwrap();
    std::fs::write(answers.join("hub.test"), format!("{}{}", shown.pem(), key.serialize_pem())).unwrap();
    let mut stream = ask("hub.test").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], *shown.der());
    // No request is answered over such a connection.
    stream.write_all(get("/hub/login", &[]).as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let ended = soon("the end", stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{ended:?} {}", rest.escape_ascii());
    assert!(ask("other.test").await.is_err());
    let first = CertificateDer::from_pem_file(fixture("first.pem")).unwrap();
    assert_eq!(self::certificate(&connect(&world, rustls::ALL_VERSIONS).await), first);
}

#[tokio::test]
async fn browsers_are_told_to_come_back_encrypted_where_that_is_wanted() {
    for hsts in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = install(&directory, "first");
        let service = Service::Tls(Tls::open(Source { certificate, key, keeper: None, answers: None, hsts }));
        let world = World::with(Differences { service, ..Differences::default() }).await;
        let answer = connect(&world, rustls::ALL_VERSIONS).await.ask(get("/hub/login", &[])).await;
        let expected: &[&str] = if hsts { &["max-age=15552000"] } else { &[] };
        assert_eq!(answer.all("strict-transport-security"), expected);
    }
}

#[tokio::test]
async fn whoever_does_not_encrypt_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let (world, _) = world(&directory, Duration::from_millis(100)).await;
    let ada = Recorder::listen(&world.enrol("ada"));
    for input in ["", &get("/user/ada/x", &[])] {
        let mut client = Connection::open(world.address).await;
        client.send(input).await;
        let rest = tokio::time::timeout(PATIENCE, client.rest()).await.unwrap();
        assert!(!rest.starts_with(b"HTTP/"), "{}", rest.escape_ascii());
    }
    assert_eq!(ada.request_lines(), [""; 0]);
}
