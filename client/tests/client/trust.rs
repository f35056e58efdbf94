//! Who is believed: only servers and clients of the cluster's own CA, under the agreed name.

use quorla_client::{Client, Error, JobRequest};

use crate::authority::Authority;
use crate::pipelining::accept_all;
use crate::server::{Server, options};

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
