//! Reading memory of this process that may not be there, or that somebody else uses.

use std::arch::asm;

/// The smallest page that there is.
const PAGE: u64 = 4096;

/// Reads so many bytes, through the kernel: where nothing is mapped it says so, and no
/// other thread minds. Returns whether all could be read. `errno` may change.
///
/// A signal's handler may call it.
///
/// # Safety
///
/// So many bytes can be written to `into`.
pub(super) unsafe fn read_to(address: u64, into: *mut u8, length: usize) -> bool {
    let Ok(from) = usize::try_from(address) else {
        return false;
    };
    let local = libc::iovec {
        iov_base: into.cast(),
        iov_len: length,
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(from),
        iov_len: length,
    };
    // SAFETY: the kernel writes to memory that the caller vouches for, and checks all
    // that it reads. By its number: the sanitizers look into the C library's function.
    let read = unsafe {
        libc::syscall(
            libc::SYS_process_vm_readv,
            libc::getpid(),
            &raw const local,
            1_usize,
            &raw const remote,
            1_usize,
            0_usize,
        )
    };
    usize::try_from(read) == Ok(length)
}

/// Reads at most so many bytes, to the end of the last page that is there, and returns
/// how many. As [`read_to`].
///
/// # Safety
///
/// So many bytes can be written to `into`.
pub(super) unsafe fn read_some(address: u64, into: *mut u8, most: usize) -> usize {
    let mut length = 0;
    while length < most {
        let from = address.wrapping_add(length as u64);
        let to_page = usize::try_from(PAGE - from % PAGE).unwrap_or(0);
        let part = to_page.min(most - length);
        // SAFETY: they are among the bytes that the caller vouches for.
        if !unsafe { read_to(from, into.add(length), part) } {
            break;
        }
        length += part;
    }
    length
}

/// Fills the buffer; see [`read_to`].
#[cfg(target_arch = "x86_64")]
pub(super) fn read(address: u64, into: &mut [u8]) -> bool {
    // SAFETY: it is the caller's buffer.
    unsafe { read_to(address, into.as_mut_ptr(), into.len()) }
}

/// As much as is there; see [`read_some`].
#[cfg(target_arch = "x86_64")]
pub(super) fn read_first(address: u64, into: &mut [u8]) -> usize {
    // SAFETY: it is the caller's buffer.
    unsafe { read_some(address, into.as_mut_ptr(), into.len()) }
}

/// Copies so many bytes, a multiple of eight.
///
/// By instructions of its own: bytes between the variables of a frame are poisoned
/// where the address sanitizer runs, which compiled code and the C library's `memcpy`
/// then refuse to read. And a dynamic `memcpy` might still have to be looked up, which
/// a signal's handler must not do.
///
/// # Safety
///
/// The bytes at `from` are mapped and do not change meanwhile, and those at `to` can
/// be written.
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: it copies what the caller vouches for; the direction flag is clear.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") length => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "cbz {left}, 3f",
            "2:",
            "ldr {word}, [{from}], #8",
            "str {word}, [{to}], #8",
            "subs {left}, {left}, #8",
            "b.ne 2b",
            "3:",
            left = inout(reg) length => _,
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            word = out(reg) _,
            options(nostack),
        );
    }
}
