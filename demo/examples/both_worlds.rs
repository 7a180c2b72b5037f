//! tokio-plumber and console-subscriber in one process, on two ports.
//!
//! tokio-plumber's own server answers tokio-console with tasks. Its resources and async
//! operations, such as who waits for which mutex, come from Tokio's spans, which only
//! `console_subscriber::ConsoleLayer` reads, at its price. Who wants both stacks them:
//!
//! ```sh
//! cargo run --example both_worlds --features console-subscriber
//! tokio-console            # in another terminal: console-subscriber, on 6669
//! tokio-console http://127.0.0.1:6670   # or `plumber 6670`: tokio-plumber
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_plumber::console_subscriber::ConsoleLayer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The feature `console-subscriber` moves the server that this starts to port 6670.
#[tokio::main(crate = "tokio_plumber")]
async fn main() {
    subscribe(([127, 0, 0, 1], 6669).into());
    println!("tokio-console is answered by console-subscriber at 127.0.0.1:6669 and");
    println!("by tokio-plumber at 127.0.0.1:6670; ctrl-c ends this");
    work().await;
}

/// Installs console-subscriber's layer, which listens at `address`.
pub fn subscribe(address: SocketAddr) {
    let console = ConsoleLayer::builder().server_addr(address).spawn();
    tracing_subscriber::registry().with(console).init();
}

/// Ten tasks that wait for one mutex.
pub async fn work() {
    let busy = Arc::new(Mutex::new(()));
    let tasks: Vec<_> = (0..10)
        .map(|_| tokio::spawn(take_turns(Arc::clone(&busy))))
        .collect();
    for task in tasks {
        // It never ends.
        let _ = task.await;
    }
}

async fn take_turns(busy: Arc<Mutex<()>>) {
    loop {
        let _turn = busy.lock().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
