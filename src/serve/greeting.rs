//! The first bytes of a connection: what does its peer speak?
//!
//! gRPC is HTTP/2 without an upgrade, which begins with a fixed *preface* (RFC 9113,
//! section 3.4). Whoever speaks something else is told so in his own language, since he
//! is most often a person with a browser, or a client that was set up for TLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::Io;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A peer that has not sent its preface after this long has nothing to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a peer may take to read why it is refused.
const FAREWELL: Duration = Duration::from_secs(1);

const NOT_HTTP_2: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\n\r\nThis is tokio-plumber. It speaks gRPC: attach with the command \
    `plumber`, or with tokio-console.\n";

/// An alert record of TLS 1.2: fatal, protocol version.
const NOT_TLS: &[u8] = &[0x15, 3, 3, 0, 2, 2, 70];

/// Reads the preface and returns it; `None` where the peer speaks something else, which
/// it was then told.
pub(super) async fn greet(io: &mut Box<dyn Io>) -> Option<Vec<u8>> {
    let first = timeout(PATIENCE, first_bytes(io)).await.ok()?.ok()?;
    if first == PREFACE {
        return Some(first);
    }
    match first.first() {
        Some(0x16) => refuse(io, NOT_TLS).await,
        Some(byte) if byte.is_ascii_uppercase() => refuse(io, NOT_HTTP_2.as_bytes()).await,
        _ => {}
    }
    None
}

/// Reads until the bytes are the preface, or cannot become it.
async fn first_bytes(io: &mut Box<dyn Io>) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let rest = (PREFACE.len() - first.len()) as u64;
        if (&mut *io).take(rest).read_buf(&mut first).await? == 0 {
            break;
        }
    }
    Ok(first)
}

/// Says why, and waits until that was read: to close at once would take it back where
/// the peer has sent more than was read.
async fn refuse(io: &mut Box<dyn Io>, why: &[u8]) {
    let say = async {
        io.write_all(why).await?;
        io.shutdown().await?;
        let mut rest = [0; 1024];
        while io.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // It is refused, whether it hears it or not.
    let _ = timeout(FAREWELL, say).await;
}

/// Tells a peer that speaks HTTP/2 that there are too many.
pub(super) async fn turn_away(io: &mut Box<dyn Io>, why: &str) {
    refuse(io, &goaway(why)).await;
}

/// Tells a peer the same that has not been heard, without waiting for it.
pub(super) async fn dismiss(io: &mut Box<dyn Io>, why: &str) {
    // Its buffer is empty, so there is room; if not, it is dismissed without a word.
    let _ = timeout(Duration::ZERO, io.write_all(&goaway(why))).await;
}

/// Empty settings, and a GOAWAY whose error is `ENHANCE_YOUR_CALM` (RFC 9113, sections
/// 6.5, 6.8 and 7).
fn goaway(why: &str) -> Vec<u8> {
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    let length = u32::try_from(8 + why.len()).unwrap_or(8).to_be_bytes();
    frames.extend_from_slice(&length[1..]);
    frames.extend_from_slice(&[7, 0, 0, 0, 0, 0]);
    frames.extend_from_slice(&[0, 0, 0, 0]);
    frames.extend_from_slice(&[0, 0, 0, 0xb]);
    frames.extend_from_slice(why.as_bytes());
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn greeted(bytes: &[u8]) -> (Option<Vec<u8>>, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(bytes).await.unwrap();
        let mut server: Box<dyn Io> = Box::new(server);
        let answered = tokio::spawn(async move { greet(&mut server).await });
        let mut answer = Vec::new();
        let mut part = [0; 512];
        if !PREFACE.starts_with(bytes) {
            while let Ok(read @ 1..) = client.read(&mut part).await {
                answer.extend_from_slice(&part[..read]);
            }
            drop(client);
        }
        (answered.await.unwrap(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn only_http_2_goes_on() {
        let preface = Some(PREFACE.to_vec());
        assert_eq!(greeted(PREFACE).await, (preface, Vec::new()));
        assert_eq!(greeted(&[0, 1, 2]).await, (None, Vec::new()));
        assert_eq!(greeted(&[0x16, 3, 1, 0]).await, (None, NOT_TLS.to_vec()));
        for request in [
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\n",
            "PRI * HTTP/1.1\r\n",
        ] {
            let (preface, answer) = greeted(request.as_bytes()).await;
            assert_eq!(preface, None);
            let answer = String::from_utf8(answer).unwrap();
            assert!(
                answer.contains("attach with the command `plumber`"),
                "{answer}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_half_a_word_is_not_waited_for() {
        assert_eq!(greeted(&PREFACE[..9]).await.0, None);
    }
}
