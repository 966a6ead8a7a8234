//! Paths and working directory objects.
//!
//! P1  A path names a directory to start from and octets without NUL. A path that cannot be
//!     used (no directory object, a NUL inside) is kept and fails with ENOENT when it is used,
//!     as the contract wants it.
//! P2  A [`Wd`] closes its descriptor when its last owner drops it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// A resolved directory: an open descriptor and the absolute path it had when it was opened.
#[derive(Debug)]
pub struct Wd {
    fd: Option<OwnedFd>,
    path: CString,
}

impl Wd {
    pub fn new(fd: OwnedFd, path: CString) -> Wd {
        Wd { fd: Some(fd), path }
    }

    /// The directory that does not exist: everything below it fails with ENOENT.
    pub fn invalid() -> Wd {
        Wd {
            fd: None,
            path: CString::default(),
        }
    }

    pub fn fd(&self) -> Option<RawFd> {
        self.fd.as_ref().map(|fd| fd.as_raw_fd())
    }

    /// The absolute path recorded when the object was made.
    pub fn path(&self) -> &CStr {
        &self.path
    }
}

/// A path as requests take it: octets, relative to a directory.
#[derive(Debug)]
pub struct Path {
    /// `None` is the process's own directory at the time of execution.
    wd: Option<Arc<Wd>>,
    text: Box<CStr>,
}

impl Path {
    /// A path below `wd`, or below the process's directory.
    pub fn new(wd: Option<Arc<Wd>>, text: &[u8]) -> Path {
        match CString::new(text) {
            Ok(text) => Path {
                wd,
                text: text.into_boxed_c_str(),
            },
            Err(_) => Path::invalid(),
        }
    }

    /// A path that fails with ENOENT (P1).
    pub fn invalid() -> Path {
        Path {
            wd: Some(Arc::new(Wd::invalid())),
            text: Box::default(),
        }
    }

    /// Descriptor and name as the `*at` system calls take them. `Err` is ENOENT.
    pub fn at(&self) -> Result<(RawFd, &CStr), i32> {
        match &self.wd {
            None => Ok((libc::AT_FDCWD, &self.text)),
            Some(wd) => match wd.fd() {
                Some(fd) => Ok((fd, &self.text)),
                None => Err(libc::ENOENT),
            },
        }
    }

    /// If this is a directory object itself (alone, or with the path `.`): its recorded path.
    /// `rmdir` and `rename` need it, because the kernel refuses `.` there. Not for the
    /// process's own directory.
    pub fn recorded(&self) -> Option<&CStr> {
        match &self.wd {
            Some(wd) if wd.fd().is_some() && self.text.to_bytes() == b"." => Some(wd.path()),
            _ => None,
        }
    }

    pub fn wd(&self) -> Option<&Arc<Wd>> {
        self.wd.as_ref()
    }

    pub fn text(&self) -> &CStr {
        &self.text
    }
}

/// "Handle or path" arguments.
#[derive(Debug)]
pub enum Target {
    Fd(RawFd),
    Path(Path),
}
