//! What a buffer of directory records means, said a second time and in another way than
//! `ops::dir::next_dirent` does: by positions, octet by octet.

use aio_engine::ops::dir::{next_dirent, Malformed};

/// Inode number, type and name of a record.
pub type Record = (u64, u8, Vec<u8>);

/// The records up to the first that does not follow the format, and whether there is one.
pub fn expected(buf: &[u8]) -> (Vec<Record>, bool) {
    let mut list = Vec::new();
    let mut at = 0;
    while at < buf.len() {
        if buf.len() - at < 19 {
            return (list, true);
        }
        let len = u16::from_ne_bytes([buf[at + 16], buf[at + 17]]) as usize;
        let mut end = at + 19;
        while end < at + len && end < buf.len() && buf[end] != 0 {
            end += 1;
        }
        if len < 20 || at + len > buf.len() || end == at + len {
            return (list, true);
        }
        let mut ino = [0; 8];
        ino.copy_from_slice(&buf[at..at + 8]);
        list.push((
            u64::from_ne_bytes(ino),
            buf[at + 18],
            buf[at + 19..end].to_vec(),
        ));
        at += len;
    }
    (list, false)
}

/// Parses the buffer and compares.
pub fn check(buf: &[u8]) {
    let (list, malformed) = expected(buf);
    let mut rest = buf;
    for want in &list {
        match next_dirent(rest) {
            Ok(Some((e, more))) => {
                assert_eq!(
                    (e.ino, e.kind, e.name.to_bytes()),
                    (want.0, want.1, &want.2[..])
                );
                assert!(more.len() < rest.len(), "it always advances");
                rest = more;
            }
            other => panic!("{other:?} where {want:?} is, in {buf:?}"),
        }
    }
    match next_dirent(rest) {
        Ok(None) => assert!(!malformed && rest.is_empty(), "an end in {buf:?}"),
        Err(Malformed) => assert!(malformed, "refused: {buf:?}"),
        Ok(Some(e)) => panic!("{e:?} where nothing is, in {buf:?}"),
    }
}
