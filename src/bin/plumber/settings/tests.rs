use clap::Parser;
use tokio_plumber::project::ProjectText;

use super::*;
use crate::cli::{Cli, Command};

/// Settings with these variables and this file.
struct Given<'a> {
    variables: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Given<'_> {
    fn sources<T>(
        &self,
        read: impl FnOnce(&Sources<'_>) -> Result<T, Failure>,
    ) -> Result<T, String> {
        let variable = |name: &str| {
            let mut variables = self.variables.iter();
            let (_, value) = variables.find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        };
        let parsed = self.file.map(|text| {
            ProjectFile::parse(ProjectText {
                path: "proj/plumber.toml".into(),
                text: text.to_owned(),
            })
        });
        let file = parsed.transpose().map_err(|failure| failure.message)?;
        let sources = Sources {
            variable: &variable,
            file,
        };
        read(&sources).map_err(|failure| failure.message)
    }

    fn check(&self, arguments: &[&str]) -> Result<CheckPlan, String> {
        let cli = Cli::parse_from([&["plumber", "check"], arguments].concat());
        let Command::Check(args) = cli.into_command() else {
            panic!("not check");
        };
        self.sources(|sources| sources.check(&args))
    }

    fn target(&self, arguments: &[&str]) -> Result<Target, String> {
        let cli = Cli::parse_from([&["plumber", "attach"], arguments].concat());
        let global = cli.global.clone();
        let Command::Attach(args) = cli.into_command() else {
            panic!("not attach");
        };
        self.sources(|sources| sources.target(&args, &global))
    }
}

const FILE: &str = "\
[attach]
addr = \"file:1\"
interval = \"3s\"

[check]
for = \"3m\"
max-stall = \"3ms\"
max-leaking-sites = 3
max-pending-growth = \"3/min\"
max-retained-growth = \"3KiB/min\"
allow = [\"zombie_task\", \"stalled_poll=a,b\"]
fail-fast = true
format = \"json\"
output = \"verdict.json\"
";

const VARIABLES: [(&str, &str); 10] = [
    ("PLUMBER_ADDR", "variable:1"),
    ("PLUMBER_INTERVAL", "2s"),
    ("PLUMBER_FOR", "2m"),
    ("PLUMBER_MAX_STALL", "2ms"),
    ("PLUMBER_MAX_LEAKING_SITES", "2"),
    ("PLUMBER_MAX_PENDING_GROWTH", "2/min"),
    ("PLUMBER_MAX_RETAINED_GROWTH", "2KiB/min"),
    ("PLUMBER_ALLOW", "leaking_site=a, retained_bytes"),
    ("PLUMBER_FAIL_FAST", "false"),
    ("PLUMBER_OUTPUT", "variable.json"),
];

const FLAGS: [&str; 8] = [
    "--for=1m",
    "--max-stall=1ms",
    "--max-leaking-sites=1",
    "--max-pending-growth=1/min",
    "--max-retained-growth=1KiB/min",
    "--allow=stalled_poll",
    "--format=github",
    "-oflag.json",
];

#[test]
fn a_flag_outweighs_a_variable_outweighs_the_file_outweighs_the_default() {
    let nothing = Given {
        variables: &[],
        file: None,
    };
    let file = Given {
        variables: &[],
        file: Some(FILE),
    };
    let both = Given {
        variables: &VARIABLES,
        file: Some(FILE),
    };
    let told = |given: &Given<'_>, flags: &[&str]| {
        let plan = given.check(flags).expect("valid");
        let allow: Vec<_> = plan.limits.allow.iter().map(ToString::to_string).collect();
        let limits = &plan.limits;
        format!(
            "{:?} {:?} {:?} {:?} {:?} {allow:?} {} {:?} {:?}",
            plan.lasts,
            limits.max_stall,
            limits.max_leaking_sites,
            limits.max_pending_growth,
            limits.max_retained_growth,
            plan.fail_fast,
            plan.format,
            plan.output,
        )
    };
    assert_eq!(
        told(&nothing, &[]),
        "60s None None None None [] false Text None"
    );
    assert_eq!(
        told(&file, &[]),
        "180s Some(3ms) Some(3) Some(3.0) Some(3072.0) [\"zombie_task\", \"stalled_poll=a,b\"] \
         true Json Some(\"proj/verdict.json\")"
    );
    assert_eq!(
        told(&both, &[]),
        "120s Some(2ms) Some(2) Some(2.0) Some(2048.0) [\"leaking_site=a\", \"retained_bytes\"] \
         false Json Some(\"variable.json\")"
    );
    assert_eq!(
        told(&both, &FLAGS),
        "60s Some(1ms) Some(1) Some(1.0) Some(1024.0) [\"stalled_poll\"] false Github \
         Some(\"flag.json\")"
    );
}

#[test]
fn what_leak_tests_may_leave_is_no_setting_of_ours() {
    let entry = "[[leaktest.allow]]\nsignature = \"zombie_task *\"\nreason = \"why\"\n";
    let file = format!("{FILE}{entry}");
    let given = Given {
        variables: &[],
        file: Some(&file),
    };
    assert_eq!(given.check(&[]).expect("valid").limits.allow.len(), 2);
}

#[test]
fn what_to_attach_to_has_the_same_order() {
    let both = Given {
        variables: &VARIABLES,
        file: Some(FILE),
    };
    let told = |given: &Given<'_>, arguments: &[&str]| {
        let target = given.target(arguments).expect("valid");
        format!("{} {:?}", target.address, target.interval)
    };
    assert_eq!(told(&both, &["flag:1", "--interval=1s"]), "flag:1 1s");
    assert_eq!(told(&both, &[]), "variable:1 2s");
    let file = Given {
        variables: &[("PLUMBER_ADDR", " ")],
        file: Some(FILE),
    };
    assert_eq!(told(&file, &[]), "file:1 3s");
    let nothing = Given {
        variables: &[],
        file: None,
    };
    assert_eq!(told(&nothing, &[]), "127.0.0.1:6669 200ms");
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_not_shown() {
    let folder = std::env::temp_dir().join(format!("plumber-token-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("token");
    std::fs::write(&file, "s3cret\n").expect("a file");
    let flag = format!("--token-file={}", file.display());
    let given = |variables| Given {
        variables,
        file: None,
    };
    let token = |given: Given<'_>, flags: &[&str]| given.target(flags).map(|it| it.token);
    assert_eq!(token(given(&[]), &[]), Ok(None));
    let variable = [("PLUMBER_TOKEN", "other")];
    assert_eq!(token(given(&variable), &[]), Ok(Some("other".to_owned())));
    assert_eq!(
        token(given(&variable), &[&flag]),
        Ok(Some("s3cret".to_owned()))
    );
    let error = token(given(&[("PLUMBER_TOKEN", "s3 cret")]), &[]).expect_err("two words");
    assert_eq!(
        error,
        "the token of PLUMBER_TOKEN is not accepted: it must be one word of visible ASCII \
         characters"
    );
    std::fs::remove_dir_all(&folder).expect("it is ours");
    let error = token(given(&[]), &[&flag]).expect_err("no file");
    assert!(error.starts_with("cannot read the token of "), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let wrong = [
        "[check]\n\nmax-stal = \"50ms\"",
        "[attach]\nmax-stall = \"50ms\"",
        "[chek]",
        "check = 3",
        "for = \"60s\"",
        "[check]\nfor = \"soon\"",
        "[check]\nfor = 60",
        "[check]\nmax-leaking-sites = -1",
        "[check]\nmax-pending-growth = 1.5",
        "[check]\nallow = [\"zombie_task\", \"leak\"]",
        "[check]\nfor = [\"1m\", \"2m\"]",
        "[check]\nfail-fast = \"yes\"",
        "[check]\nformat = \"xml\"",
        "[attach]\naddr = \"a b\"",
        "[check]\nfor = ",
        "[check]\nfor = \"1m\"\nfor = \"2m\"",
        "[[leaktest.allow]]\nsignature = \"zombie_task *\"",
    ];
    let of_files = wrong.map(|text| {
        let file = Given {
            variables: &[],
            file: Some(text),
        };
        file.check(&[]).expect_err(text)
    });
    let wrong = [
        ("PLUMBER_FOR", "soon"),
        ("PLUMBER_MAX_STALL", "50"),
        ("PLUMBER_ALLOW", "zombie_task,leak"),
        ("PLUMBER_FORMAT", "xml"),
        ("PLUMBER_FAIL_FAST", "yes"),
    ];
    let of_variables = wrong.map(|variable| {
        let given = Given {
            variables: &[variable],
            file: None,
        };
        given.check(&[]).expect_err(variable.0)
    });
    let lines = [&of_files[..], &of_variables[..]].concat();
    for line in &lines {
        assert!(!line.contains('\n'), "{line}");
    }
    insta::assert_snapshot!("settings_errors", lines.join("\n"));
}

#[test]
fn the_nearest_file_above_is_taken() {
    let root = std::env::temp_dir().join(format!("plumber-settings-{}", std::process::id()));
    let deep = root.join("a/b");
    std::fs::create_dir_all(&deep).expect("folders");
    std::fs::write(root.join("plumber.toml"), "[check]\nfor = \"9m\"").expect("a file");
    let nothing = |_: &str| None;
    let lasts = |here: &Path| {
        let sources = Sources::read(&nothing, here)?;
        sources.check(&Check::default()).map(|plan| plan.lasts)
    };
    assert_eq!(lasts(&deep), Ok(Duration::from_secs(540)));
    std::fs::write(root.join("a/plumber.toml"), "[check]\nfor = 9").expect("a file");
    let error = lasts(&deep).expect_err("no unit").message;
    assert!(
        error.contains("a/plumber.toml:2: [check] for = \"9\""),
        "{error}"
    );
    std::fs::remove_dir_all(&root).expect("it is ours");
}

#[test]
fn a_restart_is_tolerated_where_it_is_said() {
    let allowed = |variables: &[(&str, &str)], file, flags: &[&str]| {
        let given = Given { variables, file };
        given.check(flags).expect("valid").limits.allow_restart
    };
    let file = Some("[check]\nallow-restart = true\n");
    assert!(!allowed(&[], None, &[]));
    assert!(allowed(&[], None, &["--allow-restart"]));
    assert!(allowed(&[], file, &[]));
    assert!(!allowed(&[("PLUMBER_ALLOW_RESTART", "false")], file, &[]));
}
