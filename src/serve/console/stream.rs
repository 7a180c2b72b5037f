//! Streams that make their next message when somebody asks for it, and not before.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tonic::Status;

/// What a method that streams answers with.
pub(super) type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A message and what makes the next one; `None` ends the stream.
pub(super) type Next<M, S> = Option<(M, S)>;

/// A stream of what `step` makes, one message after another.
///
/// The transport asks for a message when it has room to send it. For a client that does not
/// read, what fits the connection's windows waits, and nothing more is made.
pub(super) fn one_by_one<M, S, F>(source: S, step: fn(S) -> F) -> Messages<M>
where
    M: 'static,
    S: 'static,
    F: Future<Output = Next<M, S>> + Send + 'static,
{
    Box::pin(OneByOne {
        next: Some(Box::pin(step(source))),
        step,
    })
}

struct OneByOne<S, F> {
    /// What makes the next message; `None` after the end.
    next: Option<Pin<Box<F>>>,
    step: fn(S) -> F,
}

impl<M, S, F: Future<Output = Next<M, S>>> Stream for OneByOne<S, F> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { next, step } = &mut *self;
        let Some(making) = next else {
            return Poll::Ready(None);
        };
        match std::task::ready!(making.as_mut().poll(cx)) {
            Some((message, source)) => {
                making.set(step(source));
                Poll::Ready(Some(Ok(message)))
            }
            None => {
                *next = None;
                Poll::Ready(None)
            }
        }
    }
}
