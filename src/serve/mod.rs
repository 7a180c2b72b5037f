//! To be watched from another terminal: a server that tells of this process.
//!
//! It speaks gRPC on one port, by default `127.0.0.1:6669`: our own protocol, for the
//! command `plumber`, and tokio-console's, answered from the same engine. A runtime
//! that is instrumented starts it, once a process. It runs on a thread and a runtime of
//! its own, so it answers while every worker of the program is frozen, and it is none of
//! the things that it tells about.
//!
//! # What it costs
//!
//! Without a client, a sleeping thread. A client costs a picture at the rate that it
//! asks for, tens of microseconds without tasks and some milliseconds with those of
//! 100,000; it is made when the client is ready for it, so one that has stopped reading
//! costs nothing.
//!
//! # Who may look
//!
//! Whoever can connect: on a loopback address every user of the machine, on a Unix
//! socket the user of the process (its mode is 0600). Any other address is only taken
//! with [`Settings::allow_remote`] *and* a [`Settings::token`], which a client must show;
//! it travels unencrypted, so prefer a tunnel, such as `ssh -L 6669:localhost:6669`. At
//! most 64 connections are served at once; more are told so.
//!
//! A child that is forked without `exec` has no server, but keeps the address taken.

mod connection;
pub(crate) mod console;
mod greeting;
mod listener;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(not(unix))]
#[path = "no_unix.rs"]
mod unix;
mod watch;

use std::io;
use std::sync::OnceLock;
use std::thread;

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::InterceptorLayer;
use tonic::{Request, Status};
use tracing::Dispatch;

pub(crate) use connection::{Connection, Seat, seat};
pub use settings::Settings;
pub(crate) use settings::{ALLOW_REMOTE, BIND, BIND_ACCEPTED, TOKEN, bind_from};

use crate::address::Address;
use crate::heap;
use crate::tell;
use crate::wire::proto::plumber_server::PlumberServer;
use connection::{Checked, Peer};
use listener::Listener;
use settings::Place;

/// Requests that a connection may have under way: a client has two to four.
const MAX_STREAMS: u32 = 8;

/// The largest request: it has some numbers and a name.
const MAX_REQUEST: usize = 4 << 10;

/// Connections that were greeted and wait to be served.
const GREETED: usize = 16;

/// The server that the first instrumented runtime started.
static SERVER: OnceLock<Option<Server>> = OnceLock::new();

/// Where this process can be attached to; `None` where no server runs.
pub fn address() -> Option<Address> {
    let server = SERVER.get()?.as_ref()?;
    Some(server.address().clone())
}

/// Starts the server of the process before its first instrumented runtime does, and
/// returns where it listens: `None` where it was asked not to, or could not before.
///
/// There is one in a process: what is asked for later changes nothing.
///
/// # Errors
///
/// As [`Server::start`]. No runtime tries again.
pub fn start(settings: &Settings) -> io::Result<Option<Address>> {
    let mut failed = None;
    let server = SERVER.get_or_init(|| {
        settings.bind.as_ref()?;
        Server::start(settings)
            .map_err(|error| failed = Some(error))
            .ok()
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(server.as_ref().map(|server| server.address().clone())),
    }
}

/// The same for a runtime that is being built, which says what came of it in the log. If
/// it fails, the program runs on unwatched.
pub(crate) fn start_with_runtime(settings: &Settings) {
    if SERVER.get().is_some() {
        return;
    }
    match start(settings) {
        Ok(None) => {}
        Ok(Some(address)) => tell::once_heard(move || {
            let console = match address {
                Address::Tcp { .. } => format!(" or `tokio-console http://{address}`"),
                Address::Unix(_) => String::new(),
            };
            tracing::info!(
                target: "tokio_plumber",
                "attach with `plumber {address}`{console}"
            );
        }),
        Err(error) => tell::once_heard(move || {
            tracing::warn!(
                target: "tokio_plumber",
                "nobody can attach to this process: {error}"
            );
        }),
    }
}

/// A server that tells of this process, until it is dropped.
///
/// An instrumented runtime starts one by itself; this is for another one, or for
/// programs that want to say when.
#[derive(Debug)]
pub struct Server {
    address: Address,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts a server at [`Settings::bind`], or at the default address.
    ///
    /// # Errors
    ///
    /// Where the address is taken or not to be had, and where others than this machine
    /// could connect without that being allowed, or without a token.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let bind = settings.bind.clone().unwrap_or_default();
        let place = Place::of(&bind)?;
        settings.accept(&place)?;
        let token = settings.token.clone();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let run = move || {
            heap::set_base(heap::Base::Plumber);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let listening = runtime.and_then(|runtime| {
                let listener = runtime.block_on(Listener::bind(&place))?;
                Ok((runtime, listener))
            });
            match listening {
                Ok((runtime, listener)) => {
                    // The one who waits for it lives until it has come.
                    let _ = tell.send(Ok(listener.address().clone()));
                    runtime.block_on(serve(listener, token, stopped));
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        };
        // The libraries trace what they do, and the subscriber is the program's: it may wait
        // for what a frozen worker holds.
        let unseen = move || tracing::dispatcher::with_default(&Dispatch::none(), run);
        let thread = thread::Builder::new()
            .name("plumber-serve".to_owned())
            .spawn(unseen)?;
        let address = told
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the server's thread has ended")))?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens, with the port that the operating system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    /// Ends all connections; the address is free afterwards.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, that was printed.
            let _ = thread.join();
        }
    }
}

/// Serves until the other end of `stopped` is gone; then all connections are dropped.
async fn serve(listener: Listener, token: Option<String>, stopped: oneshot::Receiver<()>) {
    let (greeted, connections) = mpsc::channel(GREETED);
    let accept = listener.accept(greeted);
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(8 << 10)
        .layer(InterceptorLayer::new(move |request| {
            admitted(request, token.as_deref())
        }))
        .add_service(
            PlumberServer::new(watch::Service::default()).max_decoding_message_size(MAX_REQUEST),
        )
        .add_service(console::service().max_decoding_message_size(MAX_REQUEST))
        .serve_with_incoming(ReceiverStream::<io::Result<Checked>>::new(connections));
    tokio::select! {
        // Neither ends by itself.
        () = accept => {}
        _ = server => {}
        _ = stopped => {}
    }
}

/// Whether a request is answered: where there is a token, it must show it.
#[allow(clippy::result_large_err)] // The type is tonic's.
fn admitted(mut request: Request<()>, token: Option<&str>) -> Result<Request<()>, Status> {
    if let Some(token) = token {
        let shown = request.metadata().get("authorization");
        let shown = shown.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if !shown.is_some_and(|shown| same(shown, token.as_bytes())) {
            return Err(Status::unauthenticated(match shown {
                None => "this process shows itself only to those who have its token",
                Some(_) => "the token is not the one of this process",
            }));
        }
    }
    if let Some(peer) = request.extensions().get::<Peer>() {
        let connection = peer.connection();
        request.extensions_mut().insert(connection);
    }
    Ok(request)
}

/// Compares in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differences == 0
}
