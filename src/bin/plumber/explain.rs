//! `plumber explain`.

use std::fmt::Write as _;

use tokio_plumber::report;
use tokio_plumber::snapshot::Lint;

use crate::exit::{CLEAN, Failure};
use crate::markdown;
use crate::output::print_styled;

/// As wide as a page is read with ease.
const WIDTH: usize = 80;

pub(crate) fn run(lint: Option<Lint>, terminal: bool, coloured: bool) -> Result<u8, Failure> {
    let text = match lint {
        Some(lint) if terminal => markdown::rendered(report::explain(lint), WIDTH, coloured),
        Some(lint) => report::explain(lint).to_owned(),
        None => list(),
    };
    print_styled(&text)?;
    Ok(CLEAN)
}

/// All lints, with a sentence each.
fn list() -> String {
    let mut list = String::new();
    for lint in Lint::ALL {
        // Writing into a string cannot fail.
        let _written = writeln!(list, "{:<15} {}", lint.name(), lint.summary());
    }
    list.push_str("\nplumber explain LINT has the whole page.\n");
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_each_lint() {
        insta::assert_snapshot!("explain_list", list());
    }

    #[test]
    fn a_page_fits_a_terminal() {
        for lint in Lint::ALL {
            let page = markdown::rendered(report::explain(lint), WIDTH, false);
            for line in page.lines() {
                assert!(line.chars().count() <= WIDTH, "{lint}: {line}");
            }
        }
        let page = report::explain(Lint::ZombieTask);
        insta::assert_snapshot!(
            "explain_zombie_task",
            markdown::rendered(page, WIDTH, false)
        );
    }
}
