//! Folded stacks, each under its owner.

use std::iter;

use super::HeapProfile;
use crate::stacks::folded;

pub(super) fn write(profile: &HeapProfile) -> String {
    let mut lines = String::new();
    for stack in &profile.stacks {
        let owner = stack.owner.to_string();
        let names = stack.frames.iter().rev().map(|frame| &*frame.function);
        let names = stack.truncated.then_some("[…]").into_iter().chain(names);
        folded::line(&mut lines, iter::once(&*owner).chain(names), stack.bytes);
    }
    lines
}
