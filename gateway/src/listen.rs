//! The accept loop: a bounded number of connections, each with bounded headers that have to arrive in time.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::limit::Limits;

/// Bytes of a connection's read buffer, and so of a request's head: join requests travel in the URL.
const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Open requests are given this long when the listener closes.
const DRAIN_AFTER_MAX: Duration = Duration::from_secs(10);
/// The pause after the system ran out of file descriptors or memory.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `shutdown` is ready, then lets open requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let (open, closing) = (TaskTracker::new(), CancellationToken::new());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                on_accept_error(&error).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            // Closing at once tells balancers more than waiting would.
            metrics::counter!("stoa_gateway_connections_refused_total").increment(1);
            continue;
        };
        let (router, closing) = (router.clone(), closing.clone());
        open.spawn(async move {
            if let Err(error) = converse(socket, peer, router, limits, closing).await {
                tracing::debug!(%peer, %error, "connection failed");
            }
            drop(permit);
        });
    }
    drop(listener);
    closing.cancel();
    open.close();
    if timeout(DRAIN_AFTER_MAX, open.wait()).await.is_err() {
        tracing::warn!("requests were still open when the doors closed");
    }
}

/// One connection until it ends or becomes a socket.
async fn converse(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    closing: CancellationToken,
) -> hyper::Result<()> {
    // Signal frames are small and wait for nothing.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%peer, %error, "socket option refused");
    }
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_after_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// A peer that hung up is no reason to wait; a machine without descriptors is.
async fn on_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "connections cannot be accepted");
    sleep(ACCEPT_AGAIN_AFTER).await;
}
