//! What is made of a profile, whatever allocated.

use std::io::Read as _;

use flate2::read::GzDecoder;
use prost::Message as _;

use super::proto::Profile;
use super::*;

fn frame(address: u64, function: &str, line: u32) -> Frame {
    Frame {
        address,
        function: function.into(),
        file: Some("src/app.rs".into()),
        line: Some(line),
    }
}

fn profile() -> HeapProfile {
    let share = |task, bytes| Share {
        task: Some(TaskId(task)),
        bytes,
        blocks: bytes / 100,
        samples: 1,
    };
    HeapProfile {
        interval: DEFAULT_INTERVAL,
        lost: 3,
        stacks: vec![
            Stack {
                owner: Owner::Site(Location {
                    file: "src/x.rs".to_owned(),
                    line: 12,
                    column: 5,
                }),
                // The first was inlined into the second.
                frames: vec![
                    frame(16, "app::fill", 7),
                    frame(16, "app::serve<[u8; 4]>", 9),
                    frame(32, "main", 1),
                ],
                truncated: false,
                bytes: 3_000,
                blocks: 30,
                samples: 2,
                shares: vec![share(7, 2_000), share(9, 1_000)],
            },
            Stack {
                owner: Owner::NoTask,
                frames: vec![frame(32, "main", 1)],
                truncated: true,
                bytes: 10,
                blocks: 1,
                samples: 1,
                shares: vec![Share {
                    task: None,
                    bytes: 10,
                    blocks: 1,
                    samples: 1,
                }],
            },
        ],
    }
}

#[test]
fn folded_stacks_start_with_the_spawn_site() {
    assert_eq!(
        profile().folded(),
        "task spawned at src/x.rs:12:5;main;app::serve<[u8: 4]>;app::fill 3000\n\
         no task;[…];main 10\n"
    );
}

#[test]
fn a_pprof_has_everything_in_it() {
    let mut bytes = Vec::new();
    GzDecoder::new(&*profile().pprof())
        .read_to_end(&mut bytes)
        .unwrap();
    let message = Profile::decode(&*bytes).unwrap();
    let string = |number: i64| &*message.string_table[usize::try_from(number).unwrap()];
    assert_eq!(string(0), "");
    let types: Vec<_> = message
        .sample_type
        .iter()
        .map(|it| string(it.r#type))
        .collect();
    assert_eq!(types, ["inuse_objects", "inuse_space"]);
    assert_eq!(string(message.default_sample_type), "inuse_space");
    assert_eq!(message.period, 512 * 1024);
    assert!(string(message.comment[0]).starts_with("3 samples were lost"));
    for (id, location) in (1..).zip(&message.location) {
        assert_eq!(location.id, id);
    }
    let samples: Vec<_> = message
        .sample
        .iter()
        .map(|sample| {
            let names: Vec<_> = sample
                .location_id
                .iter()
                .flat_map(|id| &message.location[usize::try_from(*id).unwrap() - 1].line)
                .map(|line| {
                    let function =
                        &message.function[usize::try_from(line.function_id).unwrap() - 1];
                    (string(function.name), line.line)
                })
                .collect();
            let labels: Vec<_> = sample
                .label
                .iter()
                .map(|label| (string(label.key), string(label.str), label.num))
                .collect();
            (names, sample.value.clone(), labels)
        })
        .collect();
    let stack = vec![
        ("app::fill", 7),
        ("app::serve<[u8; 4]>", 9),
        ("main", 1),
        ("task spawned at src/x.rs:12:5", 0),
    ];
    let labels = |task| vec![("task", "", task), ("spawn site", "src/x.rs:12:5", 0)];
    assert_eq!(
        samples,
        [
            (stack.clone(), vec![20, 2_000], labels(7)),
            (stack, vec![10, 1_000], labels(9)),
            (
                vec![("main", 1), ("[…]", 0), ("no task", 0)],
                vec![1, 10],
                vec![]
            ),
        ]
    );
}

#[test]
fn it_is_off_until_it_is_switched_on() {
    // No allocator of ours is installed here.
    assert_eq!(start(0), Err(StartError::NoInterval));
    let error = take().expect_err("not switched on").to_string();
    assert!(error.contains("PLUMBER_HEAP_PROFILE=on"), "{error}");
}
