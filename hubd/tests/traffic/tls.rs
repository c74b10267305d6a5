//! Encrypted connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hubd::listen::{Service, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::backend::{Backend, Recorder};
use crate::support::client::{Connection, get};
use crate::support::{Differences, PATIENCE, World, soon};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

async fn connect(world: &World, versions: &[&'static SupportedProtocolVersion]) -> Connection<TlsStream<TcpStream>> {
    let provider = aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("hub.test").unwrap();
    Connection::over(soon("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap())
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
    assert!(tls.reload().unwrap_err().to_string().contains("holds no certificate"));
    std::fs::remove_file(directory.path().join("hub.key.pem")).unwrap();
    assert!(tls.reload().is_err());
    assert_eq!(certificate(&connect(&world, rustls::ALL_VERSIONS).await), second);
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
