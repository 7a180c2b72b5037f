//! `plumber completions` and `plumber man`: what is made of the command line's definition.

use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::definition;
use crate::exit::{CLEAN, Failure};
use crate::output::print;

pub(crate) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "plumber", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(CLEAN)
}

pub(crate) fn man(command: Option<&str>) -> Result<u8, Failure> {
    print(&page(command)?)?;
    Ok(CLEAN)
}

/// The page of the command as a whole, or of one of its commands.
fn page(command: Option<&str>) -> Result<String, Failure> {
    let whole = definition();
    let of = match command {
        None => whole,
        Some(name) => {
            let found = whole.get_subcommands().find(|it| it.get_name() == name);
            let names = || {
                let names = whole.get_subcommands().map(|it| it.get_name());
                names.collect::<Vec<_>>().join(", ")
            };
            let found = found.ok_or_else(|| {
                Failure::usage(format!(
                    "there is no command {name:?}; there are {}",
                    names()
                ))
            });
            found?.clone()
        }
    };
    let mut page = Vec::new();
    Man::new(of)
        .render(&mut page)
        .map_err(|error| Failure::usage(format!("cannot write the page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        assert!(page(None).expect("a page").contains(".TH plumber 1"));
        let check = page(Some("check")).expect("a page");
        assert!(check.contains(".TH plumber-check 1"), "{check}");
        assert!(check.contains("max\\-stall"), "{check}");
        let error = page(Some("chek")).expect_err("no such command").message;
        assert!(
            error.starts_with("there is no command \"chek\"; there are attach, snapshot, check"),
            "{error}"
        );
    }

    #[test]
    fn each_shell_has_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut definition(), "plumber", &mut script);
            let script = String::from_utf8(script).expect("text");
            assert!(script.contains("max-stall"), "{shell}");
        }
    }
}
