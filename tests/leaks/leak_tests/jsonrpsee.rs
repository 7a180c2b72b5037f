//! A connection keeps the handles of all calls that it has ever answered.

#[path = "../scenarios/jsonrpsee.rs"]
mod jsonrpsee;
mod verdict;

use jsonrpsee::Connection;
use tokio::sync::Mutex;
use tokio_plumber::leaktest::{self, LeakKind};
use verdict::{Reason, expect};

/// Where the task of a connection is spawned.
const CONNECTION: &str = "jsonrpsee-server-0.20.0/src/server.rs";

/// Where the task of a call is spawned.
const CALL: &str = "jsonrpsee-server-0.20.0/src/transport/ws.rs";

#[test]
fn each_round_of_calls_leaves_more_in_the_connection() {
    let calls = Reason {
        kind: LeakKind::GrowingZombies,
        says: &["+16 tasks a round", CALL],
    };
    let handles = Reason {
        kind: LeakKind::GrowingBytes,
        says: &[CONNECTION, CALL],
    };
    expect(&[calls, handles], async {
        let connection = Mutex::new(Connection::open().await);
        let growth = leaktest::growth().warmup(3).rounds(10);
        let grown = growth.run(|| async { connection.lock().await.call().await });
        let grown = grown.await;
        connection.into_inner().close().await;
        grown.assert_flat();
    });
}
