//! The server: hyper on one thread of its own, with every resource that a client can take bounded.
//!
//! hyper and tokio are here anyway for sending traces. The thread only reads what the training has left for it, so
//! no request, however slow, can hold the training up.

use super::StatusError;
use super::routes::Routes;
use crate::gpu::Gpus;
use crate::progress::Progress;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Connections at once; more wait until one is free.
const CONNECTIONS: usize = 64;
/// The longest a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest head of a request.
const HEAD_BYTES: usize = 8 << 10;

/// A server that answers until it is dropped.
#[derive(Debug)]
pub struct StatusServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Answers `GET /progress`, `/metrics` and `/healthz` on `address`; port 0 takes a free one.
///
/// # Errors
/// An address that cannot be had.
pub fn serve(address: SocketAddr, progress: Progress) -> Result<StatusServer, StatusError> {
    serve_with(address, move || {
        let routes = Routes::new(progress, Gpus::open());
        move |request: &Request<Incoming>| routes.answer(request)
    })
}

/// Answers requests on `address` as the result of `routes` does, which is called on the server's own thread; port 0
/// takes a free one.
///
/// # Errors
/// An address that cannot be had.
pub fn serve_with<A>(
    address: SocketAddr,
    routes: impl FnOnce() -> A + Send + 'static,
) -> Result<StatusServer, StatusError>
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + 'static,
{
    let failed = |source| StatusError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let listener = {
        let _on_runtime = runtime.enter();
        TcpListener::from_std(listener).map_err(failed)?
    };
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("status".to_owned())
        .spawn(move || {
            let routes = Rc::new(routes());
            let work = LocalSet::new();
            work.block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, routes) => {}
                    _ = stopped => {}
                }
            });
        })
        .map_err(failed)?;
    Ok(StatusServer {
        address: local,
        stop: Some(stop),
        thread: Some(thread),
    })
}

impl StatusServer {
    /// Where it answers.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        // The receiver is only gone where the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<A>(listener: TcpListener, routes: Rc<A>)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + 'static,
{
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed, so there is always a permit to wait for.
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = Rc::clone(&routes);
                tokio::task::spawn_local(async move {
                    answer(stream, routes).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, or a client that left at once: try again, but not in a hot loop.
            Err(error) => {
                tracing::debug!(%error, "a connection to the status page was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One connection, one answer.
async fn answer<A>(stream: TcpStream, routes: Rc<A>)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + 'static,
{
    let service = service_fn(|request| {
        let response = routes(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request to the status page failed"),
        Err(_) => tracing::debug!("a connection to the status page lasted too long"),
    }
}
