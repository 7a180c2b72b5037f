//! The service called as its transport calls it, with tasks of a runtime driven by hand.

mod details;
mod sessions;
mod updates;

use console_api::RegisterMetadata;
use console_api::tasks::TaskUpdate;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::updates::PUBLISH_INTERVAL;
use super::*;
use crate::runtime::Runtime;

/// An instrumented runtime, and a server on a runtime of its own whose time is driven.
struct World {
    service: Runtime,
    server: tokio::runtime::Runtime,
    console: Console,
}

impl World {
    fn new() -> Self {
        let service = crate::runtime::Builder::new_current_thread()
            .name("service")
            .build()
            .unwrap();
        let server = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        Self {
            service,
            server,
            console: Console::default(),
        }
    }

    /// Lets the service's tasks run until all wait.
    fn settle(&self) {
        self.service.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn updates(&self, connection: u64) -> Messages<Update> {
        let request = request(connection, InstrumentRequest {});
        let answer = self.server.block_on(self.console.watch_updates(request));
        answer.unwrap().into_inner()
    }

    fn states(&self, connection: u64) -> Messages<State> {
        let request = request(connection, StateRequest {});
        let answer = self.server.block_on(self.console.watch_state(request));
        answer.unwrap().into_inner()
    }

    fn details(&self, id: u64) -> Result<Messages<TaskDetails>, Status> {
        let request = request(
            1,
            TaskDetailsRequest {
                id: Some(id.into()),
            },
        );
        let answer = self
            .server
            .block_on(self.console.watch_task_details(request));
        answer.map(Response::into_inner)
    }

    fn pause(&self, connection: u64) {
        let request = request(connection, PauseRequest {});
        self.server.block_on(self.console.pause(request)).unwrap();
    }

    fn resume(&self, connection: u64) {
        let request = request(connection, ResumeRequest {});
        self.server.block_on(self.console.resume(request)).unwrap();
    }

    fn next<M>(&self, stream: &mut Messages<M>) -> M {
        let next = self.server.block_on(stream.next());
        next.unwrap().unwrap()
    }

    /// The messages of the next round as one. Tasks of other tests are told, too.
    fn round(&self, stream: &mut Messages<Update>) -> TaskUpdate {
        self.introduced_round(stream).1
    }

    /// The same, and the metadata if they are told in its first message.
    fn introduced_round(
        &self,
        stream: &mut Messages<Update>,
    ) -> (Option<RegisterMetadata>, TaskUpdate) {
        let (mut metadata, mut round) = (None, TaskUpdate::default());
        self.server.block_on(async {
            let mut next = stream.next().await;
            while let Some(message) = next {
                let update = message.unwrap();
                assert!(update.now.is_some());
                if round.stats_update.is_empty() {
                    metadata = update.new_metadata;
                }
                let tasks = update.task_update.unwrap();
                round.new_tasks.extend(tasks.new_tasks);
                round.stats_update.extend(tasks.stats_update);
                round.dropped_events += tasks.dropped_events;
                let rest = timeout(PUBLISH_INTERVAL / 2, stream.next()).await;
                next = rest.ok().flatten();
            }
        });
        (metadata, round)
    }

    fn is_quiet<M>(&self, stream: &mut Messages<M>) -> bool {
        let wait = async { timeout(60 * PUBLISH_INTERVAL, stream.next()).await };
        self.server.block_on(wait).is_err()
    }
}

fn request<T>(connection: u64, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Connection(connection));
    request
}

fn id<T>(task: &JoinHandle<T>) -> u64 {
    task.id().to_string().parse().unwrap()
}
