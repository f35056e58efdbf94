//! Who is believed: only servers and clients of the cluster's own CA, under the agreed name.

use quorla_client::{CLOSED_FOR_ROLE, Client, Error, ErrorBody, ErrorCode, JobRequest};

use crate::authority::Authority;
use crate::pipelining::accept_all;
use crate::server::{Greeting, Server, options};

async fn refused(options: quorla_client::Options) {
    let error = match Client::connect(options).await {
        Err(error) => error,
        Ok(client) => client.submit(JobRequest::new(["true"])).await.unwrap_err(),
    };
    assert!(matches!(error, Error::HandshakeRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_of_a_foreign_ca_is_refused() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let server = Server::start(&foreign, accept_all);
    refused(options(&ours, &[&server])).await;
}

#[tokio::test]
async fn a_client_of_a_foreign_ca_is_refused_at_once_and_says_so() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let server = Server::start(&ours, accept_all);
    let mut options = options(&ours, &[&server]);
    options.credentials.cert = foreign.credentials().cert;
    options.credentials.key = quorla_client::Pem::Bytes(b"no key".to_vec());
    assert_eq!(Client::connect(options.clone()).await.unwrap_err().code(), "setup");
    let stranger = foreign.credentials();
    options.credentials = quorla_client::Credentials { ca: ours.credentials().ca, ..stranger };
    refused(options).await;
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_under_another_name_is_refused() {
    let authority = Authority::new();
    let server = Server::start_as(&authority, &authority.server_named("another"), accept_all);
    refused(options(&authority, &[&server])).await;
}

#[tokio::test]
async fn a_certificate_of_another_role_is_refused_at_once_in_the_servers_words() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    server.greet(Greeting::Close(CLOSED_FOR_ROLE, "a node certificate may not open the client plane"));
    match Client::connect(options(&authority, &[&server])).await.unwrap_err() {
        Error::HandshakeRefused { reason } => assert!(reason.contains("a node certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_greeting_keeps_the_servers_code_and_hint() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    let refusal = ErrorBody::new(ErrorCode::VersionUnsupported, "greet the server: it speaks version 2, not 1");
    server.greet(Greeting::Refuse(refusal.clone().hint("Upgrade the older side.")));
    let error = Client::connect(options(&authority, &[&server])).await.unwrap_err();
    assert_eq!((error.code(), error.hint().as_deref()), ("version_unsupported", Some("Upgrade the older side.")));
}

#[tokio::test]
async fn a_server_that_is_stopping_is_left_for_another_one() {
    let authority = Authority::new();
    let (stopping, serving) = (Server::start(&authority, accept_all), Server::start(&authority, accept_all));
    let refusal = ErrorBody::new(ErrorCode::ShuttingDown, "greet the server: this node is stopping");
    stopping.greet(Greeting::Refuse(refusal));
    let error = Client::connect(options(&authority, &[&stopping])).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let client = Client::connect(options(&authority, &[&stopping, &serving])).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(serving.seen().len(), 1);
}
