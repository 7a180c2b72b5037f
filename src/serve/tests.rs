//! Peers that mean no good, or know no better. After each of them the next one is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{InstrumentRequest, PauseRequest, StateRequest};
use tokio_stream::StreamExt;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::*;
use crate::attach;
use crate::wire::proto::plumber_client::PlumberClient;
use crate::wire::proto::{Update, WatchRequest};
use crate::wire::{Decoder, PROTOCOL};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn server() -> Server {
    let settings = Settings {
        bind: Some("127.0.0.1:0".parse().unwrap()),
        ..Settings::default()
    };
    Server::start(&settings).unwrap()
}

/// Sends bytes, and returns what comes until the server closes the connection.
fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address().to_string()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        closed => drop(closed.expect("the connection is closed")),
    }
    answer
}

/// That it goes on.
fn is_unharmed(server: &Server) {
    let attached = attach::connect(server.address(), attach::Options::default());
    attached.unwrap();
}

fn has_goaway(answer: &[u8]) -> bool {
    // Nine bytes of a frame's head, whose fourth is its type.
    let mut rest = answer;
    while let [a, b, c, kind, _, _, _, _, _, more @ ..] = rest {
        if *kind == 7 {
            return true;
        }
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        rest = more.get(length..).unwrap_or_default();
    }
    false
}

#[test]
fn whoever_speaks_something_else_is_told() {
    let server = server();
    let answer = answer_to(&server, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("attach with the command `plumber`"),
        "{answer}"
    );
    // The beginning of a TLS client's hello.
    let answer = answer_to(&server, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    assert_eq!(answer[0], 0x15, "an alert");
    assert!(answer_to(&server, &[0, 1, 2, 3]).is_empty());
    is_unharmed(&server);
}

#[test]
fn garbage_and_huge_frames_end_their_connection_alone() {
    let server = server();
    let garbage: Vec<u8> = (0..9_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for rest in [
        &garbage[..],
        // Sixteen megabytes of headers.
        &[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1],
        // A window update of nothing, for the whole connection.
        &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let answer = answer_to(&server, &[PREFACE, SETTINGS, rest].concat());
        assert!(has_goaway(&answer), "{answer:?}");
        is_unharmed(&server);
    }
}

async fn channel(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    endpoint.connect().await.unwrap()
}

async fn refusal(
    server: &Server,
    requests: impl IntoIterator<Item = WatchRequest, IntoIter: Send + 'static>,
) -> Status {
    let mut client = PlumberClient::new(channel(server).await);
    let requests = tokio_stream::iter(requests);
    match client.watch(requests).await {
        Err(status) => status,
        Ok(_) => panic!("it is refused"),
    }
}

#[tokio::test]
async fn methods_that_are_not_there_are_refused() {
    let server = server();
    for path in ["/plumber.v1.Plumber/Stop", "/Nothing/Nothing", "/x"] {
        let mut client = tonic::client::Grpc::new(channel(&server).await);
        client.ready().await.unwrap();
        let answer: Result<tonic::Response<Update>, Status> = client
            .unary(
                Request::new(WatchRequest::default()),
                PathAndQuery::from_static(path),
                ProstCodec::default(),
            )
            .await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = server();
    let nothing = refusal(&server, []).await;
    assert_eq!(nothing.message(), "a request must come first");
    let huge = WatchRequest {
        protocol: PROTOCOL,
        client: "x".repeat(5_000),
        ..WatchRequest::default()
    };
    assert_eq!(refusal(&server, [huge]).await.code(), Code::OutOfRange);
}

#[tokio::test]
async fn another_version_is_told_in_a_sentence() {
    let server = server();
    let version = env!("CARGO_PKG_VERSION");
    for (protocol, update) in [(PROTOCOL + 1, "the process"), (0, "the client")] {
        let request = WatchRequest {
            protocol,
            client: "plumber 9.9.9".to_owned(),
            ..WatchRequest::default()
        };
        let status = refusal(&server, [request]).await;
        assert_eq!(
            status.message(),
            format!(
                "plumber 9.9.9 speaks version {protocol} of the protocol, and the process, with \
                 tokio-plumber {version}, version {PROTOCOL}: update {update}"
            )
        );
    }
}

#[tokio::test]
async fn nobody_is_sent_more_pictures_than_are_good() {
    let server = server();
    let mut client = PlumberClient::new(channel(&server).await);
    let request = WatchRequest {
        protocol: PROTOCOL,
        interval_ms: 1,
        ..WatchRequest::default()
    };
    // Open, as long as the stream is read.
    let requests = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut updates = client.watch(requests).await.unwrap().into_inner();
    let mut decoder = Decoder::default();
    let first = updates.message().await.unwrap().unwrap();
    assert!(first.whole);
    decoder.apply(first).unwrap();
    let mut at = decoder.snapshot().unwrap().taken_at;
    for _ in 0..20 {
        let update = updates.message().await.unwrap().unwrap();
        assert!(!update.whole);
        decoder.apply(update).unwrap();
        let next = decoder.snapshot().unwrap().taken_at;
        // Not as often as it was asked for.
        let pause = next.saturating_sub(at);
        assert!(pause > Duration::from_millis(30), "{pause:?}");
        at = next;
    }
}

/// Listening for other machines, as far as that can be tried on one.
#[tokio::test]
async fn without_the_token_nothing_is_shown_by_any_service() {
    let settings = Settings {
        bind: Some("0.0.0.0:0".parse().unwrap()),
        allow_remote: true,
        token: Some("a token that nobody guesses".to_owned()),
    };
    let server = Server::start(&settings).unwrap();
    let refused = refusal(&server, []).await;
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut console = InstrumentClient::new(channel(&server).await);
    for refused in [
        console.watch_updates(InstrumentRequest {}).await.map(drop),
        console.watch_state(StateRequest {}).await.map(drop),
        console.pause(PauseRequest {}).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    }
}
