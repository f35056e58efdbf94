//! A server of the client plane whose answers a test decides, one closure call for each request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use quorla_client::codec::{decode_body, encode_body, put_frame, take_frame};
use quorla_client::{ALPN, ErrorBody, Options, Reply, Request, Response, Welcome};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::authority::{Authority, Identity};

pub(crate) const APPLIED_INDEX: u64 = 7;

/// What the server does with one request.
pub(crate) enum Act {
    Reply(Reply),
    Refuse(ErrorBody),
    /// These bytes as they are, without a frame around them.
    Raw(Bytes),
    /// Keep the answer until the next request, whose answer then goes first.
    Swap(Reply),
    Silence,
    Disconnect,
    /// Close the connection with this code and reason.
    Close(u32, &'static str),
}

/// What the server does with greetings.
#[derive(Clone)]
pub(crate) enum Greeting {
    Welcome,
    Refuse(ErrorBody),
    /// Close the connection with this code and reason.
    Close(u32, &'static str),
}

type Script = Arc<Mutex<dyn FnMut(Request) -> Act + Send>>;

pub(crate) struct Server {
    pub(crate) address: String,
    endpoint: quinn::Endpoint,
    leader: Arc<Mutex<Option<String>>>,
    greeting: Arc<Mutex<Greeting>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(authority: &Authority, script: impl FnMut(Request) -> Act + Send + 'static) -> Self {
        Self::start_as(authority, &authority.server(), script)
    }

    pub(crate) fn start_as(
        authority: &Authority,
        identity: &Identity,
        script: impl FnMut(Request) -> Act + Send + 'static,
    ) -> Self {
        let bind: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = quinn::Endpoint::server(config(authority, identity), bind).unwrap();
        let address = endpoint.local_addr().unwrap().to_string();
        let leader = Arc::new(Mutex::new(None));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let greeting = Arc::new(Mutex::new(Greeting::Welcome));
        let serve = Serve {
            address: address.clone(),
            leader: Arc::clone(&leader),
            greeting: Arc::clone(&greeting),
            seen: Arc::clone(&seen),
            script: Arc::new(Mutex::new(script)),
        };
        tokio::spawn(accept(endpoint.clone(), serve));
        Self { address, endpoint, leader, greeting, seen }
    }

    /// Lets the greeting name another server as the leader.
    pub(crate) fn follow(&self, leader: &Self) {
        *self.leader.lock().unwrap() = Some(leader.address.clone());
    }

    /// Answers greetings so from now on.
    pub(crate) fn greet(&self, greeting: Greeting) {
        *self.greeting.lock().unwrap() = greeting;
    }

    /// The requests so far, greetings apart.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn seen_count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn stop(&self) {
        self.endpoint.close(1_u32.into(), b"stopped by the test");
    }
}

/// Options that fail fast.
pub(crate) fn options(authority: &Authority, servers: &[&Server]) -> Options {
    let addresses = servers.iter().map(|server| server.address.clone()).collect();
    let mut options = Options::new(addresses, authority.credentials());
    options.rules.pause_ms = 1;
    options.rules.give_up_after_ms = 1_000;
    options.connect_timeout_ms = 1_000;
    options.try_timeout_ms = 200;
    options
}

#[derive(Clone)]
struct Serve {
    address: String,
    leader: Arc<Mutex<Option<String>>>,
    greeting: Arc<Mutex<Greeting>>,
    seen: Arc<Mutex<Vec<Request>>>,
    script: Script,
}

async fn accept(endpoint: quinn::Endpoint, serve: Serve) {
    while let Some(incoming) = endpoint.accept().await {
        let serve = serve.clone();
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else {
                return;
            };
            let Ok((send, receive)) = connection.accept_bi().await else {
                return;
            };
            serve.stream(&connection, send, receive).await;
        });
    }
}

impl Serve {
    async fn stream(
        &self,
        connection: &quinn::Connection,
        mut send: quinn::SendStream,
        mut receive: quinn::RecvStream,
    ) {
        let mut buffer = BytesMut::new();
        let mut held = BytesMut::new();
        while let Ok(Some(chunk)) = receive.read_chunk(usize::MAX, true).await {
            buffer.extend_from_slice(&chunk.bytes);
            while let Some((id, body)) = take_frame(&mut buffer).unwrap() {
                let mut out = BytesMut::new();
                match self.decide(decode_body(&body).unwrap()) {
                    Act::Reply(reply) => put(&mut out, id, Ok(reply)),
                    Act::Refuse(body) => put(&mut out, id, Err(body)),
                    Act::Raw(bytes) => out.extend_from_slice(&bytes),
                    Act::Silence => {}
                    Act::Disconnect => return connection.close(7_u32.into(), b"lost on purpose"),
                    Act::Close(code, reason) => return connection.close(code.into(), reason.as_bytes()),
                    Act::Swap(reply) => {
                        put(&mut held, id, Ok(reply));
                        continue;
                    }
                }
                out.unsplit(held.split());
                if send.write_all(&out).await.is_err() {
                    return;
                }
            }
        }
    }

    fn decide(&self, request: Request) -> Act {
        if let Request::Hello(_) = request {
            return match self.greeting.lock().unwrap().clone() {
                Greeting::Welcome => Act::Reply(Reply::Welcome(self.welcome())),
                Greeting::Refuse(body) => Act::Refuse(body),
                Greeting::Close(code, reason) => Act::Close(code, reason),
            };
        }
        self.seen.lock().unwrap().push(request.clone());
        (self.script.lock().unwrap())(request)
    }

    fn welcome(&self) -> Welcome {
        let leader = self.leader.lock().unwrap().clone();
        Welcome {
            version: 1,
            cluster_id: "test".into(),
            node: self.address.clone(),
            principal: "client".into(),
            server_time_ms: 1_000_000_000,
            is_leader: leader.is_none(),
            leader,
            addresses: vec![],
        }
    }
}

fn put(buffer: &mut BytesMut, id: u64, outcome: Result<Reply, ErrorBody>) {
    let response = Response { applied_index: APPLIED_INDEX, outcome };
    put_frame(buffer, id, &encode_body(&response).unwrap()).unwrap();
}

fn config(authority: &Authority, identity: &Identity) -> quinn::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let cert = CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![cert], key)
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    quinn::ServerConfig::with_crypto(Arc::new(quic))
}
