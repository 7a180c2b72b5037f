//! Folded stacks: a line each, as flame graph tools read them.

use std::fmt::Write as _;

use super::HeapProfile;

pub(super) fn write(profile: &HeapProfile) -> String {
    let mut lines = String::new();
    for stack in &profile.stacks {
        push(&mut lines, &stack.owner.to_string());
        if stack.truncated {
            lines.push_str(";[…]");
        }
        for frame in stack.frames.iter().rev() {
            lines.push(';');
            push(&mut lines, &frame.function);
        }
        // Writing into a string cannot fail.
        let _written = writeln!(lines, " {}", stack.bytes);
    }
    lines
}

/// A name may hold what separates names.
fn push(line: &mut String, name: &str) {
    line.extend(name.chars().map(|c| match c {
        ';' => ':',
        c if c.is_control() => ' ',
        c => c,
    }));
}
