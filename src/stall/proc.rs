//! What Linux tells of the threads of this process, in files under `/proc/self/task`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::str;

/// Reads a thread's file of this name, as much of it as `buffer` holds.
///
/// Allocates nothing. Costs some 7 to 18 µs.
pub(super) fn read<'a>(tid: u32, name: &str, buffer: &'a mut [u8]) -> io::Result<&'a str> {
    let mut path = [0_u8; 64];
    let mut rest = &mut path[..];
    write!(rest, "/proc/self/task/{tid}/{name}")?;
    let unused = rest.len();
    let path = str::from_utf8(&path[..path.len() - unused]).map_err(io::Error::other)?;
    let mut file = File::open(path)?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    str::from_utf8(&buffer[..length]).map_err(io::Error::other)
}
