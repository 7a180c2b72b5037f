//! How an entry of `plumber.toml` is written.

/// ```toml
/// [[leaktest.allow]]
/// signature = "pending_task src/pool.rs in pool::Pool::new"
/// reason = "why"
/// ```
pub(in crate::leaktest) fn entry(signature: &str, reason: &str) -> [String; 3] {
    [
        "[[leaktest.allow]]".to_owned(),
        format!("signature = {}", quoted(signature)),
        format!("reason = {}", quoted(reason)),
    ]
}

/// `tests = ["upload::leaves_nothing"]`
pub(in crate::leaktest) fn tests(test: &str) -> String {
    format!("tests = [{}]", quoted(test))
}

/// A text as TOML's basic string. JSON's has the same escapes, but for one character that
/// it leaves alone.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}
