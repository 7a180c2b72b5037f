//! tokio-console's protocol, answered from our engine and not from a tracing layer.
//!
//! What its stock client shows of it: every live task with its state, its times and polls,
//! where it was spawned, by which task and on which runtime; the poll times of one task;
//! pause and resume. What hooks do not tell is left empty in a way that raises no false
//! warning: names, wakers and times of being scheduled, resources and async operations.
//!
//! Every stream makes its next message when the transport asks for it, so nothing queues up
//! for a client that does not read: it is told what has changed when it reads again.

mod details;
mod messages;
mod sent;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod updates;

use console_api::instrument::instrument_server::{Instrument, InstrumentServer};
use console_api::instrument::{
    InstrumentRequest, PauseRequest, PauseResponse, ResumeRequest, ResumeResponse, State,
    StateRequest, TaskDetailsRequest, Update,
};
use console_api::tasks::TaskDetails;
use tonic::{Request, Response, Status};

use details::{Details, Refused};
use sessions::{Session, Sessions};
use stream::{Messages, Next, one_by_one};
use updates::Updates;

use super::{Connection, seat};
use crate::engine::live;
use crate::snapshot::TaskId;

/// The service, for a server whose requests carry their [`Connection`].
pub(crate) fn service() -> InstrumentServer<Console> {
    InstrumentServer::new(Console::default())
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Console {
    sessions: Sessions,
}

#[tonic::async_trait]
impl Instrument for Console {
    type WatchUpdatesStream = Messages<Update>;
    type WatchTaskDetailsStream = Messages<TaskDetails>;
    type WatchStateStream = Messages<State>;

    async fn watch_updates(
        &self,
        request: Request<InstrumentRequest>,
    ) -> Result<Response<Messages<Update>>, Status> {
        let updates = Updates::new(self.join(&request)?, seat(&request)?);
        Ok(Response::new(one_by_one(updates, Updates::next)))
    }

    async fn watch_task_details(
        &self,
        request: Request<TaskDetailsRequest>,
    ) -> Result<Response<Messages<TaskDetails>>, Status> {
        let session = self.join(&request)?;
        let id = request.get_ref().id.ok_or_else(|| {
            Status::invalid_argument("the request has no id; it takes a live task's")
        })?;
        let details = Details::new(session, TaskId(id.id)).map_err(|refused| match refused {
            Refused::NotFound => Status::not_found(format!(
                "task {} has ended, or is of no instrumented runtime",
                id.id
            )),
            Refused::TooMany => Status::resource_exhausted(format!(
                "the polls of {} other tasks are being counted, and of no more at once",
                live::MAX_WATCHED
            )),
        })?;
        Ok(Response::new(one_by_one(details, Details::next)))
    }

    async fn watch_state(
        &self,
        request: Request<StateRequest>,
    ) -> Result<Response<Messages<State>>, Status> {
        let first = (self.join(&request)?, Told::Nothing);
        Ok(Response::new(one_by_one(first, next_state)))
    }

    async fn pause(
        &self,
        request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        self.sessions.set_paused(connection(&request)?, true);
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        self.sessions.set_paused(connection(&request)?, false);
        Ok(Response::new(ResumeResponse {}))
    }
}

impl Console {
    fn join<T>(&self, request: &Request<T>) -> Result<Session, Status> {
        Ok(self.sessions.join(connection(request)?))
    }
}

fn connection<T>(request: &Request<T>) -> Result<Connection, Status> {
    let connection = request.extensions().get().copied();
    connection.ok_or_else(|| Status::internal("the request does not say its connection"))
}

/// What a client was told of its state.
enum Told {
    Nothing,
    State,
}

/// The state at once, then whenever it is asked to change.
async fn next_state((mut session, told): (Session, Told)) -> Next<State, (Session, Told)> {
    if let Told::State = told {
        session.changed().await;
    }
    let state = State {
        temporality: session.temporality().into(),
    };
    Some((state, (session, Told::State)))
}
