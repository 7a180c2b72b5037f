//! What stands in the place of [`loaders`](self) where stacks cannot be unwound yet:
//! there are no modules.

pub(super) struct Loaders;

impl Loaders {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn refresh(&mut self) -> bool {
        false
    }

    pub(super) fn module(&self, _address: u64, _unloads: u64) -> Option<usize> {
        None
    }

    pub(super) fn resolve(
        &mut self,
        _module: usize,
        _address: u64,
        _see: impl FnMut(&str, Option<&str>, Option<u32>),
    ) {
    }
}
