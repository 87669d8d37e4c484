//! A peer of the matrix, by the crates `spiffe` and `spiffe-rustls`: it follows its identity, answers by
//! mTLS, and does what its standard input asks for, one JSON object a line (see ../peer.ts).

use serde_json::{json, Value};
use spiffe::cert::spiffe_id_from_der;
use spiffe::{JwtSource, JwtSvid, WorkloadApiClient, X509Source};
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::parse_x509_certificate;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(10);

struct Peer {
    client: WorkloadApiClient,
    x509: X509Source,
    jwt: JwtSource,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1).ok_or("no address")?;
    let x509 = X509Source::builder().endpoint(&address).build().await?;
    let jwt = JwtSource::builder().endpoint(&address).build().await?;
    let client = WorkloadApiClient::connect_to(&address).await?;
    let peer = Arc::new(Peer { client, x509, jwt });
    peer.serve().await?;
    tokio::spawn(follow(peer.x509.clone()));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let order: Value = serde_json::from_str(&line)?;
        let peer = Arc::clone(&peer);
        tokio::spawn(async move { peer.answer(&order).await });
    }
    Ok(())
}

async fn follow(source: X509Source) {
    let mut updates = source.updated();
    loop {
        if let Err(error) = tell_identity(&source) {
            eprintln!("identity: {error}");
        }
        if updates.changed().await.is_err() {
            return;
        }
    }
}

fn tell_identity(source: &X509Source) -> Result<(), Failure> {
    let svid = source.svid()?;
    let leaf = svid.cert_chain().first().ok_or("no leaf")?;
    let (_, certificate) = parse_x509_certificate(leaf.as_bytes())?;
    let serial = certificate.raw_serial_as_string();
    println!("{}", json!({ "svid": svid.spiffe_id().to_string(), "serial": serial }));
    Ok(())
}

impl Peer {
    async fn serve(&self) -> Result<(), Failure> {
        let own = self.x509.svid()?.spiffe_id().trust_domain_name().to_owned();
        let config = mtls_server(self.x509.clone())
            .authorize(authorizer::trust_domains([own.as_str()])?)
            .build()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", json!({ "listening": listener.local_addr()?.port() }));
        tokio::spawn(async move {
            while let Ok((plain, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Whoever dialled hears of it as a broken connection.
                    if let Err(error) = tell(acceptor, plain).await {
                        eprintln!("refused: {error}");
                    }
                });
            }
        });
        Ok(())
    }

    async fn answer(&self, order: &Value) {
        let result = match tokio::time::timeout(PATIENCE, self.perform(order)).await {
            Ok(result) => result,
            Err(late) => Err(late.into()),
        };
        let mut line = result.unwrap_or_else(|error| json!({ "error": format!("{error:?}") }));
        line["n"] = order["n"].clone();
        println!("{line}");
    }

    async fn perform(&self, order: &Value) -> Result<Value, Failure> {
        let text = |name: &str| order[name].as_str().unwrap_or_default();
        match text("do") {
            "dial" => self.dial(text("address"), text("expect")).await,
            "token" => {
                let svid = self.client.fetch_jwt_svid([text("audience")], None).await?;
                Ok(json!({ "token": svid.token() }))
            }
            "check" => {
                let (audience, token) = (text("audience"), text("token"));
                let by_server = self.client.validate_jwt_token(audience, token).await?;
                let local = JwtSvid::parse_and_validate(token, &self.jwt, &[audience])?;
                Ok(json!({
                    "byServer": by_server.spiffe_id().to_string(),
                    "local": local.spiffe_id().to_string(),
                }))
            }
            other => Err(format!("cannot do {other:?}").into()),
        }
    }

    async fn dial(&self, address: &str, expect: &str) -> Result<Value, Failure> {
        let config = mtls_client(self.x509.clone())
            .authorize(authorizer::exact([expect])?)
            .build()?;
        let plain = TcpStream::connect(address).await?;
        // Of no meaning here: the peer is known by its SPIFFE ID.
        let name = ServerName::try_from("peer.invalid")?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, plain).await?;
        stream.write_all(b"who am I\n").await?;
        let told = read_line(&mut stream).await?;
        let peer = id_of(stream.get_ref().1.peer_certificates())?;
        Ok(json!({ "peer": peer, "toldAs": told }))
    }
}

/// Answers a line with the ID of whoever wrote it.
async fn tell(acceptor: TlsAcceptor, plain: TcpStream) -> Result<(), Failure> {
    let mut stream = acceptor.accept(plain).await?;
    read_line(&mut stream).await?;
    let peer = id_of(stream.get_ref().1.peer_certificates())?;
    stream.write_all(format!("{peer}\n").as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, Failure> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

fn id_of(certificates: Option<&[CertificateDer<'_>]>) -> Result<String, Failure> {
    let leaf = certificates.and_then(<[_]>::first).ok_or("no certificate")?;
    Ok(spiffe_id_from_der(leaf)?.to_string())
}
