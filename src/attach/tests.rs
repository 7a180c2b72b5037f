use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::serve::{Server, Settings};

const LONG: Duration = Duration::from_secs(20);

fn server(change: impl FnOnce(&mut Settings)) -> Server {
    let mut settings = Settings {
        bind: Some("127.0.0.1:0".parse().unwrap()),
        ..Settings::default()
    };
    change(&mut settings);
    Server::start(&settings).unwrap()
}

/// Waits until something holds; looks every so often.
#[track_caller]
fn until(every: Duration, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < 3 * LONG, "it never came about");
        std::thread::sleep(every);
    }
}

fn error(address: &Address, options: Options) -> String {
    connect(address, options).unwrap_err().to_string()
}

#[test]
fn pictures_come_until_the_server_goes_and_again_when_it_is_back() {
    let first = server(|_| {});
    let address = first.address().clone();
    let process = connect(&address, Options::default()).unwrap();
    assert_eq!(process.protocol(), Protocol::Plumber);
    let picture = process.next(LONG).unwrap();
    assert_eq!(picture.process.pid, std::process::id());
    let later = process.next(LONG).unwrap();
    assert!(later.taken_at > picture.taken_at);
    assert_eq!(process.link(), Link::Up);

    drop(first);
    until(Duration::from_millis(10), || process.link() != Link::Up);
    let Link::Down { why, .. } = process.link() else {
        panic!("it is down");
    };
    assert!(!why.is_empty());
    assert_eq!(process.latest().process.pid, std::process::id());
    while process.next(Duration::ZERO).is_some() {}

    let _second = server(|settings| settings.bind = Some(address));
    assert!(process.next(LONG).is_some());
    assert_eq!(process.link(), Link::Up);
}

#[test]
fn the_tasks_that_are_asked_for_come() {
    let server = server(|_| {});
    let process = connect(server.address(), Options::default()).unwrap();
    let wanted = TaskSelection::Oldest(3);
    process.want(wanted);
    loop {
        let picture = process.next(LONG).unwrap();
        if picture.tasks_selected == wanted {
            break;
        }
    }
}

#[test]
fn a_unix_socket_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("plumber-attach-{}.sock", std::process::id()));
    let at = || {
        let bind = Some(Address::Unix(path.clone()));
        server(move |settings| settings.bind = bind)
    };
    let first = at();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(connect(first.address(), Options::default()).is_ok());

    let settings = Settings {
        bind: Some(Address::Unix(path.clone())),
        ..Settings::default()
    };
    let taken = Server::start(&settings).unwrap_err().to_string();
    assert!(
        taken.ends_with("is taken: something else is there"),
        "{taken}"
    );
    // What a process left behind is not in the way.
    drop(first);
    assert!(path.exists());
    drop(at());
    std::fs::remove_file(&path).unwrap();
    let nobody = error(&Address::Unix(path), Options::default());
    assert!(nobody.starts_with("nothing listens at unix:"), "{nobody}");
}

#[test]
fn a_token_is_asked_for() {
    let token = "a token that nobody guesses";
    let server = server(|settings| settings.token = Some(token.to_owned()));
    let with = |token: &str| Options {
        token: Some(token.to_owned()),
        ..Options::default()
    };
    let address = server.address();
    let without = error(address, Options::default());
    assert!(
        without.ends_with("only to those who have its token"),
        "{without}"
    );
    for wrong in ["a token that nobody guesseS", "a", ""] {
        let wrong = error(address, with(wrong));
        assert!(
            wrong.ends_with("the token is not the one of this process"),
            "{wrong}"
        );
    }
    let unsendable = error(address, with("a\ntoken"));
    assert!(
        unsendable.starts_with("the token has characters"),
        "{unsendable}"
    );
    assert!(connect(address, with(token)).is_ok());
}

#[test]
fn an_address_where_nothing_listens_is_said_to_be_one() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = error(&free.into(), Options::default());
    let expected = format!("nothing listens at {free}: is the program running");
    assert!(nobody.starts_with(&expected), "{nobody}");
}

#[test]
fn one_who_does_not_answer_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let silent = error(&address, Options::default());
    assert!(
        silent.contains("takes connections and does not answer"),
        "{silent}"
    );
}

#[test]
fn one_who_speaks_something_else_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    let other = error(&address, Options::default());
    let expected = format!(
        "what listens at {address} does not speak gRPC, or has no place left: is it another program?"
    );
    assert_eq!(other, expected);
}

#[test]
fn a_thousand_connections_do_not_keep_the_next_one_out() {
    let server = server(|_| {});
    let address = server.address().clone();
    let known = connect(&address, Options::default()).unwrap();
    let held: Vec<Attached> = (0..80)
        .map_while(|_| connect(&address, Options::default()).ok())
        .collect();
    assert_eq!(held.len(), 63);
    let refused = error(&address, Options::default());
    let expected = "64 clients are attached to this process, which is the most; detach one";
    assert!(refused.ends_with(expected), "{refused}");

    // Who was there is still served; who leaves makes room.
    let flood: Vec<_> = (0..1_000)
        .filter_map(|_| TcpStream::connect(address.to_string()).ok())
        .collect();
    assert!(flood.len() > 900, "{}", flood.len());
    while known.next(Duration::ZERO).is_some() {}
    assert!(known.next(LONG).is_some());
    drop(held);
    // Who says nothing holds no place, and leaves the door after a while.
    until(Duration::from_millis(100), || {
        let Err(refused) = connect(&address, Options::default()) else {
            return true;
        };
        let refused = refused.to_string();
        let told = refused.ends_with(expected) || refused.contains("has no place left");
        assert!(told, "{refused}");
        false
    });
    drop(flood);
    until(Duration::from_millis(10), || {
        connect(&address, Options::default()).is_ok()
    });
}
