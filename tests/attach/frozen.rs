//! The server answers while nothing else of the program does.

use std::sync::mpsc;

use tokio_plumber::attach::{self, Options};
use tokio_plumber::snapshot::Lint;

use crate::common::PATIENCE;

#[test]
fn it_answers_while_every_worker_is_frozen() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let runtime = crate::runtime("frozen", 2);
    let (locks, keys): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel::<()>()).unzip();
    for key in keys {
        // Blocks its worker until the other end goes.
        runtime.spawn(async move {
            let _ended = key.recv();
        });
    }
    let process = attach::connect(server.address(), Options::default()).unwrap();
    loop {
        let picture = process.next(PATIENCE).expect("it answers");
        let frozen = picture.runtimes.iter().find(|it| it.name == "frozen");
        let id = frozen.expect("it is there").id;
        let of_it = picture.workers.iter().filter(|it| it.runtime == id);
        let busy = of_it.filter(|worker| worker.current.is_some()).count();
        let stalls = picture
            .findings
            .iter()
            .filter(|it| it.lint == Lint::StalledPoll);
        if busy == 2 && stalls.count() > 0 {
            break;
        }
    }
    drop(locks);
}
