//! Reading on one thread while another keeps what has been read: unpacking is the longest part of the time before training.
//!
//! ```text
//!  this thread    unpack 1 | unpack 2 | unpack 3 | …
//!  another                 | keep 1   | keep 2   | …        copied to its place, and its nonzero inputs listed; up to four wait
//! ```

use std::io::{ErrorKind, Read, Result};
use std::sync::{Mutex, PoisonError, mpsc};

/// Bytes read at once: a piece stays in the second cache level.
pub(crate) const PIECE: usize = 1 << 18;
/// Pieces on their way.
const PIECES: usize = 4;

/// Reads up to `length` bytes, fewer if there are no more, and has `keep` called with each piece in turn; on another thread, if there
/// are several pieces and a thread can be had. Returns how many bytes.
pub(crate) fn read_ahead(
    reader: &mut impl Read,
    length: usize,
    keep: impl FnMut(&[u8]) + Send,
) -> Result<usize> {
    let keep = Mutex::new(keep); // for whichever thread it will be
    let keep = |piece: &[u8]| (keep.lock().unwrap_or_else(PoisonError::into_inner))(piece);
    std::thread::scope(|scope| {
        let (full, arriving) = mpsc::sync_channel::<Vec<u8>>(PIECES);
        let (empty, returning) = mpsc::channel();
        let keep = &keep;
        let keep_all = move || {
            for piece in arriving {
                keep(&piece);
                let _ = empty.send(piece); // nobody waits for the last ones
            }
        };
        let several = (length > PIECE).then(|| std::thread::Builder::new().spawn_scoped(scope, keep_all));
        let keeper = several.and_then(Result::ok);
        let mut read = 0;
        while read < length {
            let mut piece = returning.try_recv().unwrap_or_default();
            fill(reader, &mut piece, PIECE.min(length - read))?;
            read += piece.len();
            if piece.is_empty() {
                break;
            } else if keeper.is_none() {
                keep(&piece);
            } else if full.send(piece).is_err() {
                break; // `keep` panicked
            }
        }
        drop(full);
        match keeper.map(std::thread::ScopedJoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(())) | None => Ok(read),
        }
    })
}

/// Replaces `piece` by the next `length` bytes, or by those that are left.
fn fill(reader: &mut impl Read, piece: &mut Vec<u8>, length: usize) -> Result<()> {
    piece.resize(length, 0);
    let mut filled = 0;
    while filled < length {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_kept_in_order_or_what_there_is() {
        for (held, wanted) in [
            (0, 0),
            (0, 9),
            (5, 5),
            (5, 9),
            (PIECE, PIECE),
            (7 * PIECE + 3, 7 * PIECE + 1),
            (2 * PIECE + 5, 9 * PIECE),
        ] {
            let bytes: Vec<u8> = (0..held).map(|i| (i % 251) as u8).collect();
            let mut kept = Vec::new();
            let read = read_ahead(&mut &bytes[..], wanted, |piece| kept.extend_from_slice(piece)).unwrap();
            assert_eq!(read, held.min(wanted));
            assert!(kept == bytes[..read], "{held} of {wanted}");
        }
    }

    #[test]
    fn an_error_on_the_way_is_returned() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> Result<usize> {
                Err(ErrorKind::InvalidData.into())
            }
        }
        for (good, length) in [(0, 9), (5, 9), (PIECE, 3 * PIECE), (7 * PIECE, 9 * PIECE)] {
            let bytes = vec![1; good];
            let read = read_ahead(&mut bytes[..].chain(Broken), length, |_| {});
            assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::InvalidData), "{good} of {length}");
            let read = read_ahead(&mut bytes[..].chain(Broken), good, |_| {});
            assert_eq!(read.map_err(|error| error.kind()), Ok(good));
        }
    }

    /// One byte at a time, and interrupted before each.
    #[test]
    fn a_slow_reader_is_waited_for() {
        struct Slow(u8, bool);
        impl Read for Slow {
            fn read(&mut self, to: &mut [u8]) -> Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::Interrupted.into());
                }
                to[0] = self.0;
                self.0 = self.0.wrapping_add(1);
                Ok(1)
            }
        }
        let mut kept = Vec::new();
        let read = read_ahead(&mut Slow(0, false), PIECE + 7, |piece| kept.extend_from_slice(piece));
        assert_eq!(read.unwrap(), PIECE + 7);
        assert!(kept.iter().enumerate().all(|(i, &byte)| byte == i as u8));
    }

    #[test]
    #[should_panic = "full"]
    fn a_panic_goes_on() {
        let _ = read_ahead(&mut &vec![0; 9 * PIECE][..], 9 * PIECE, |_| panic!("full"));
    }
}
