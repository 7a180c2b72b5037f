//! Pause and resume, and requests that are refused.

use console_api::instrument::Temporality;
use tonic::Code;

use super::*;

#[test]
fn a_pause_is_of_one_client_alone() {
    let world = World::new();
    let state = |stream: &mut Messages<State>| world.next(stream).temporality();
    // Nothing to pause yet, and nothing that is remembered.
    world.pause(1);
    assert_eq!(world.console.sessions.len(), 0);

    let mut states = world.states(1);
    let (mut mine, mut others) = (world.updates(1), world.updates(2));
    assert_eq!(state(&mut states), Temporality::Live);
    assert!(world.is_quiet(&mut states));
    world.round(&mut mine);
    world.pause(1);
    assert_eq!(state(&mut states), Temporality::Paused);
    assert!(world.is_quiet(&mut mine));
    world.round(&mut others);
    // Who asks later hears it at once; asked twice, it is said twice.
    let mut later = world.states(1);
    assert_eq!(state(&mut later), Temporality::Paused);
    assert_eq!(state(&mut world.states(2)), Temporality::Live);
    world.pause(1);
    assert_eq!(state(&mut states), Temporality::Paused);
    world.resume(1);
    assert_eq!(state(&mut states), Temporality::Live);
    // What changed twice meanwhile is said as it is now.
    assert_eq!(state(&mut later), Temporality::Live);
    assert!(world.is_quiet(&mut later));
    world.round(&mut mine);

    world.pause(1);
    drop((states, mine, later));
    assert_eq!(world.console.sessions.len(), 1);
    drop(others);
    assert_eq!(world.console.sessions.len(), 0);
    // A connection's number is not used twice, but its pause is forgotten all the same.
    assert_eq!(state(&mut world.states(1)), Temporality::Live);
}

#[test]
fn a_request_that_lacks_something_is_refused() {
    let world = World::new();
    let nameless = request(1, TaskDetailsRequest { id: None });
    let answer = world
        .server
        .block_on(world.console.watch_task_details(nameless));
    assert_eq!(answer.map(drop).unwrap_err().code(), Code::InvalidArgument);
    let lost = Request::new(InstrumentRequest {});
    let answer = world.server.block_on(world.console.watch_updates(lost));
    assert_eq!(answer.map(drop).unwrap_err().code(), Code::Internal);
    assert_eq!(world.console.sessions.len(), 0);
}
