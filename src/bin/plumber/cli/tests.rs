use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::read([&["plumber"], arguments].concat())
}

fn command(arguments: &[&str]) -> Command {
    parse(arguments).expect("valid").into_command()
}

fn error(arguments: &[&str]) -> String {
    one_line(&parse(arguments).expect_err("not valid")).expect("not help")
}

/// What it attaches to.
fn attaches(arguments: &[&str]) -> Option<String> {
    match command(arguments) {
        Command::Attach(args) => Some(args.addr?.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn without_a_command_it_attaches() {
    assert_eq!(attaches(&[]), None);
    assert_eq!(attaches(&["attach"]), None);
    for (word, address) in [
        ("6670", "127.0.0.1:6670"),
        ("host:1", "host:1"),
        ("localhost", "localhost:6669"),
        ("example.org", "example.org:6669"),
        ("http://[::1]:7", "[::1]:7"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
    ] {
        assert_eq!(attaches(&[word]).as_deref(), Some(address));
        assert_eq!(attaches(&["attach", word]).as_deref(), Some(address));
        assert_eq!(
            attaches(&["--color", "never", word]).as_deref(),
            Some(address)
        );
    }
    // Its own flags go along.
    let Command::Attach(args) = command(&["6670", "--interval", "1s"]) else {
        panic!("not attach");
    };
    assert_eq!(args.interval, Some(Duration::from_secs(1)));
    // And a host that is named as one is.
    assert_eq!(
        attaches(&["attach", "chekc"]).as_deref(),
        Some("chekc:6669")
    );
}

#[test]
fn limits_have_units() {
    let Command::Check(check) = command(&[
        "check",
        "6670",
        "--for=5m",
        "--max-stall=50ms",
        "--max-leaking-sites=2",
        "--max-pending-growth=100/min",
        "--max-retained-growth=1MiB/min",
        "--allow=leaking_site=src/pool.rs",
        "--allow=zombie-task",
        "--fail-fast",
        "--format=junit",
        "-o",
        "a.xml",
    ]) else {
        panic!("not check");
    };
    assert_eq!(check.lasts, Some(Duration::from_secs(300)));
    assert_eq!(check.max_stall, Some(Duration::from_millis(50)));
    assert_eq!(check.max_leaking_sites, Some(2));
    assert_eq!(check.max_pending_growth, Some(100.0));
    assert_eq!(check.max_retained_growth, Some(1_048_576.0));
    let allowed = check.allow.iter().map(ToString::to_string);
    assert_eq!(
        allowed.collect::<Vec<_>>(),
        ["leaking_site=src/pool.rs", "zombie_task"]
    );
    assert!(check.fail_fast);
    assert_eq!(check.format, Some(VerdictFormat::Junit));
    assert_eq!(check.output, Some("a.xml".into()));
}

#[test]
fn a_lint_is_explained_by_name() {
    let lint = |arguments: &[&str]| match command(arguments) {
        Command::Explain(explain) => explain.lint,
        other => panic!("{other:?}"),
    };
    assert_eq!(lint(&["explain"]), None);
    assert_eq!(lint(&["explain", "leaking-site"]), Some(Lint::LeakingSite));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let wrong: [&[&str]; 19] = [
        &["chekc"],
        &["myhost"],
        &["host:70000"],
        &["6669", "6670"],
        &["70000"],
        &["attach", "a b"],
        &["attach", "--interval", "1"],
        &["check", "--for", "soon"],
        &["check", "--for", "0s"],
        &["check", "--max-stall", "50"],
        &["check", "--max-leaking-sites", "none"],
        &["check", "--max-pending-growth", "100"],
        &["check", "--max-retained-growth", "1MB/min"],
        &["check", "--allow", "leak"],
        &["check", "--allow", "leaking_site="],
        &["check", "--format", "xml"],
        &["check", "--max-stal", "1s"],
        &["explain", "leak"],
        &["completions", "cmd"],
    ];
    let lines: Vec<_> = wrong
        .iter()
        .map(|arguments| format!("{}\n  {}", arguments.join(" "), error(arguments)))
        .collect();
    for line in &lines {
        assert!(line.lines().count() == 2, "{line}");
    }
    insta::assert_snapshot!("errors", lines.join("\n"));
}

#[test]
fn help_teaches() {
    let help = |arguments: &[&str]| parse(arguments).expect_err("help").to_string();
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_short", help(&["-h"]));
    for name in definition().get_subcommands().map(|it| it.get_name()) {
        if name != "help" {
            insta::assert_snapshot!(format!("help_{name}"), help(&[name, "--help"]));
        }
    }
}
