//! Serves what a worker counts to Prometheus.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use tiny_http::{Header, Method, Request, Response, Server};
use tracing::debug;

use crate::context::WorkerContext;

/// How long one wait for a request lasts, and so how long the thread takes to leave.
const WAIT: Duration = Duration::from_millis(250);

/// Listens for Prometheus.
///
/// # Errors
/// An address that cannot be had.
pub fn bind(address: SocketAddr) -> anyhow::Result<Server> {
    Server::http(address)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("cannot serve metrics on {address}"))
}

/// Answers requests until the channel closes.
pub fn serve(worker: &WorkerContext, server: &Server, stop: &Receiver<()>) {
    while stop.recv_timeout(Duration::ZERO) != Err(RecvTimeoutError::Disconnected) {
        match server.recv_timeout(WAIT) {
            Ok(Some(request)) => answer(worker, request),
            Ok(None) => {}
            Err(error) => debug!("cannot take a request for metrics: {error}"),
        }
    }
}

fn answer(worker: &WorkerContext, request: Request) {
    let done = if (request.method(), request.url()) == (&Method::Get, "/metrics") {
        let age = worker.leases.all().iter().map(|(_, held)| held.since_renewal()).max().unwrap_or_default();
        match worker.metrics.encode(age, worker.open_breakers()) {
            Ok(text) => {
                let plain =
                    Header::from_bytes("Content-Type", prometheus::TEXT_FORMAT).expect("a valid header");
                request.respond(Response::from_string(text).with_header(plain))
            }
            Err(error) => request.respond(Response::from_string(format!("{error}\n")).with_status_code(500)),
        }
    } else {
        request.respond(Response::from_string("metrics are at /metrics\n").with_status_code(404))
    };
    if let Err(error) = done {
        debug!("cannot answer a request for metrics: {error}");
    }
}
