//! Accepts HTTP/1 connections on loopback, a bounded number, each with bounded headers and time to send them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bounds::bounded;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: usize = 16 * 1_024;
/// How long a client may take to send its headers, and how long an idle connection is kept.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long requests in progress may still take when the node stops.
const STOP_MAX: Duration = Duration::from_secs(2);
/// Pause after a failed accept: it is the process that lacks something, and not for a microsecond.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen and what to bound.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// TCP address; loopback only, port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Largest request body.
    pub body_bytes_max: u64,
}

/// Why the port did not open.
#[derive(Debug, Error)]
pub enum HttpError {
    /// There is no authentication here, so only this machine may ask.
    #[error("listen for HTTP on {0}: only loopback addresses are allowed")]
    NotLoopback(SocketAddr),
    /// The port could not be bound.
    #[error("listen for HTTP on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why the system refused.
        source: io::Error,
    },
}

/// The open port.
pub struct HttpServer {
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl HttpServer {
    /// Opens the port and serves `routes` until [`HttpServer::stop`].
    pub async fn start(settings: &HttpSettings, routes: Router) -> Result<Self, HttpError> {
        if !settings.bind.ip().is_loopback() {
            return Err(HttpError::NotLoopback(settings.bind));
        }
        let bind = |source| HttpError::Bind { address: settings.bind, source };
        let listener = TcpListener::bind(settings.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let routes = routes.layer(from_fn_with_state(settings.body_bytes_max, bounded));
        let (stopping, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, routes, stopping.clone(), tasks.clone()));
        Ok(Self { address, stopping, tasks })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, lets requests in progress finish for up to 2 s.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_MAX, self.tasks.wait()).await.is_err() {
            tracing::warn!("http stopped with requests in progress");
        }
    }
}

async fn accept(listener: TcpListener, routes: Router, stopping: CancellationToken, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = next => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                tasks.spawn(serve(stream, routes.clone(), stopping.clone(), place));
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "http connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => return,
        }
    }
}

async fn serve(stream: TcpStream, routes: Router, stopping: CancellationToken, _place: OwnedSemaphorePermit) {
    let mut bounds = http1::Builder::new();
    bounds
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    let connection = bounds.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "http connection broke");
    }
}
