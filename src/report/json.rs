//! The report for machines.

use crate::snapshot::Snapshot;

/// Writes a snapshot as one pretty-printed JSON object, without a newline at
/// its end. Its fields are described in [`schema`](super::schema).
pub fn json(snapshot: &Snapshot) -> String {
    // Cannot fail: the keys are strings and nothing in it has a fallible
    // `Serialize`. An object that says so is still better than a panic.
    serde_json::to_string_pretty(snapshot)
        .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::fixture::{full, without_bytes};
    use super::*;

    fn keys(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    into.push(key.clone());
                    keys(value, into);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_documented() {
        let report: Value = serde_json::from_str(&json(&full())).unwrap();
        let mut found = Vec::new();
        keys(&report, &mut found);
        assert!(found.len() > 80);
        let schema = include_str!("schema.md");
        for key in found {
            assert!(
                schema.contains(&format!("`{key}`")),
                "{key} is not in schema.md"
            );
        }
    }

    #[test]
    fn the_report_keeps_its_shape() {
        insta::assert_snapshot!(json(&full()));
    }

    /// The members of `value` whose names end in `bytes`.
    fn bytes(value: &Value) -> Vec<(&str, &Value)> {
        let members = value.as_object().expect("an object").iter();
        let members = members.map(|(key, value)| (key.as_str(), value));
        members.filter(|(key, _)| key.ends_with("bytes")).collect()
    }

    #[test]
    fn bytes_that_nobody_counts_are_null() {
        let counted: Value = serde_json::from_str(&json(&full())).unwrap();
        let report: Value = serde_json::from_str(&json(&without_bytes(full()))).unwrap();
        for place in ["/process", "/process/history/0", "/sites/0", "/tasks/0"] {
            let counted = bytes(counted.pointer(place).unwrap());
            let unknown = bytes(report.pointer(place).unwrap());
            assert!(!counted.is_empty(), "{place}");
            assert_eq!(counted.len(), unknown.len(), "{place}");
            for ((key, counted), (_, unknown)) in counted.into_iter().zip(unknown) {
                assert!(counted.is_u64(), "{place}/{key}");
                assert!(unknown.is_null(), "{place}/{key}");
            }
        }
        assert_eq!(report["process"]["heap_accounting"], Value::Null);
        assert_eq!(report["not_measured"][1]["what"], "retained bytes");
    }
}
