//! A page of help for each lint.

use crate::snapshot::Lint;

/// A page about a lint, as Markdown: what it means, how it is judged, what its evidence
/// says, what a false positive looks like, the cure with code, and how to allow it.
pub fn explain(lint: Lint) -> &'static str {
    match lint {
        Lint::StalledPoll => include_str!("explain/stalled_poll.md"),
        Lint::LeakingSite => include_str!("explain/leaking_site.md"),
        Lint::RetainedBytes => include_str!("explain/retained_bytes.md"),
        Lint::ZombieTask => include_str!("explain/zombie_task.md"),
    }
}

/// The pages' code is compiled, as that of any documentation.
#[cfg(doctest)]
mod code {
    #[doc = include_str!("explain/stalled_poll.md")]
    struct StalledPoll;
    #[doc = include_str!("explain/leaking_site.md")]
    struct LeakingSite;
    #[doc = include_str!("explain/retained_bytes.md")]
    struct RetainedBytes;
    #[doc = include_str!("explain/zombie_task.md")]
    struct ZombieTask;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: [&str; 7] = [
        "## What it means",
        "## How it is judged",
        "## What the evidence says",
        "## What a false positive looks like",
        "## The cure",
        "## How to allow it",
        "## See also",
    ];

    #[test]
    fn each_lint_has_a_page_with_the_same_headings() {
        for lint in Lint::ALL {
            let page = explain(lint);
            assert!(page.starts_with(&format!("# `{lint}`\n\n")), "{lint}");
            let headings: Vec<_> = page.lines().filter(|it| it.starts_with("## ")).collect();
            assert_eq!(headings, HEADINGS, "{lint}");
            assert_eq!(page.matches("```").count() % 2, 0, "{lint}");
            assert!(page.contains("```rust"), "{lint} has no code");
            let allowed = format!("plumber check --allow {lint}=");
            assert!(page.contains(&allowed), "{lint} does not say: {allowed}");
        }
    }

    /// What a page says of the evidence is there: each field by the name that it has in a
    /// report.
    #[test]
    fn each_field_of_the_evidence_is_explained() {
        for finding in crate::report::fixture::full().findings {
            let report = serde_json::to_value(&finding.evidence).expect("it can be written");
            let fields = report.as_object().expect("an object");
            for field in fields.keys() {
                let page = explain(finding.lint);
                assert!(
                    page.contains(&format!("`{field}`")),
                    "{}: {field}",
                    finding.lint
                );
            }
        }
    }
}
