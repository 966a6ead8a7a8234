//! Working directory objects, and paths as Perl gives them.
//!
//! The object is a reference to a blessed scalar with a key tied to it; the key leads to the
//! directory. Requests keep the scalar, so the last reference goes when no request needs it.

use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::Arc;

use aio_engine::{Op, Path, Priority, Wd};
use perl_xs::{Args, Fail, Owned, Perl, Result, Returns, Sv};

use crate::args::Parse;
use crate::declare;
use crate::half::{enter_quietly, Half};
use crate::object::WD_TAG;

pub const CLASS: &CStr = c"IO::AIO::WD";

const NOT_A_PATH: &str = "IO::AIO: pathname arguments must be specified as a string, an IO::AIO::WD object or a [IO::AIO::WD, path] pair";
const NOT_A_WD: &str = "IO::AIO: expected a working directory object as returned by aio_wd";

#[derive(Clone)]
enum Place {
    /// The process's own directory at the time of execution.
    Cwd,
    Invalid,
    Dir(Arc<Wd>),
}

/// All directories that objects stand for, by key − 1.
#[derive(Default)]
pub struct Wds {
    places: RefCell<Vec<Option<Place>>>,
    /// References to the two constants.
    constants: RefCell<Vec<Owned>>,
}

/// A body that stands for a directory, and which.
struct Object {
    body: Owned,
    place: Place,
}

impl Wds {
    /// A new object for a directory.
    fn new_object(&self, perl: Perl, place: Place) -> Result<Owned> {
        let key = {
            let mut places = self.places.borrow_mut();
            match places.iter().position(Option::is_none) {
                Some(i) => {
                    places[i] = Some(place);
                    i
                }
                None => {
                    places.push(Some(place));
                    places.len() - 1
                }
            }
        };
        let tag = (key as u64 + 1) << 1 | WD_TAG;
        perl.new_object(perl.new_undef(), CLASS, tag)
    }

    /// A new object for an open directory.
    pub fn object(&self, perl: Perl, wd: Arc<Wd>) -> Result<Owned> {
        self.new_object(perl, Place::Dir(wd))
    }

    /// Makes `CWD` and `INVALID_WD`.
    pub fn make_constants(&self, perl: Perl) -> Result<()> {
        for place in [Place::Cwd, Place::Invalid] {
            let object = self.new_object(perl, place)?;
            self.constants.borrow_mut().push(object);
        }
        Ok(())
    }

    /// One of the constants: 0 `CWD`, 1 `INVALID_WD`.
    pub fn constant(&self, perl: Perl, which: usize) -> Owned {
        perl.new_copy(self.constants.borrow()[which].sv())
    }

    fn find(&self, perl: Perl, body: Sv) -> Option<Place> {
        if !perl.is_class(body, CLASS) {
            return None;
        }
        self.places.borrow().get(place_of(perl, body)?)?.clone()
    }

    fn remove(&self, perl: Perl, body: Sv) -> Option<Place> {
        let place = place_of(perl, body)?;
        // The two constants stay.
        if place < 2 {
            return None;
        }
        perl.cut_key(body);
        self.places.borrow_mut().get_mut(place)?.take()
    }
}

/// Which place belongs to a body that stands for a directory.
fn place_of(perl: Perl, body: Sv) -> Option<usize> {
    let tag = perl.key(body).filter(|tag| tag & WD_TAG != 0)?;
    ((tag >> 1) as usize).checked_sub(1)
}

impl Place {
    fn path(&self, text: &[u8]) -> Path {
        match self {
            Place::Cwd => Path::new(None, text),
            Place::Invalid => Path::invalid(),
            Place::Dir(wd) => Path::new(Some(wd.clone()), text),
        }
    }
}

/// A path argument, taken apart: what it starts from, and its octets.
pub struct Parts<'a> {
    object: Option<Object>,
    pub text: &'a [u8],
    /// The first element of a pair is no directory.
    invalid: bool,
}

impl<'a> Parts<'a> {
    /// Does it name a directory object?
    pub fn has_wd(&self) -> bool {
        self.invalid || self.object.is_some()
    }

    /// The path, its directory object kept with the request.
    pub fn path(&self, parse: &mut Parse) -> Path {
        self.path_to(self.text, parse)
    }

    /// The same directory with another text.
    pub fn path_to(&self, text: &[u8], parse: &mut Parse) -> Path {
        if self.invalid {
            return Path::invalid();
        }
        match &self.object {
            None => Path::new(None, text),
            Some(object) => {
                if let Place::Dir(_) = object.place {
                    parse.keep(object.body.sv().own());
                }
                object.place.path(text)
            }
        }
    }
}

/// Takes a path argument apart. `wide` makes the message for a character above 255 outside a pair.
///
/// Perl: magic and overloading run Perl code; bad arguments croak.
pub fn parts<'a>(perl: Perl, half: &Half, sv: Sv, wide: impl Fn() -> String) -> Result<Parts<'a>> {
    let Some(body) = sv.referent() else {
        let Some(text) = perl.bytes(sv)? else {
            return Fail::croak(wide());
        };
        return Ok(Parts {
            object: None,
            text,
            invalid: false,
        });
    };
    if let Some(place) = half.wds.find(perl, body) {
        return Ok(Parts {
            object: Some(Object {
                body: body.own(),
                place,
            }),
            text: b".",
            invalid: false,
        });
    }
    if !body.view().is_array() || perl.array_len(body)? != 2 {
        return Fail::croak(NOT_A_PATH);
    }
    // Kept by perl's temporaries: elements may be tied.
    drop(body.own());
    let mut object = None;
    let mut invalid = false;
    match perl.array_get(body, 0)? {
        None => invalid = true,
        Some(first) => {
            let first = perl.fetch(first)?;
            if !first.view().is_defined() {
                invalid = true;
            } else {
                let place = first
                    .referent()
                    .and_then(|body| Some((body, half.wds.find(perl, body)?)));
                let Some((body, place)) = place else {
                    return Fail::croak(NOT_A_WD);
                };
                object = Some(Object {
                    body: body.own(),
                    place,
                });
            }
        }
    }
    let text = match perl.array_get(body, 1)? {
        None => &[],
        Some(second) => {
            let second = perl.fetch(second)?;
            // An overloaded one may take itself out of the pair.
            drop(second.own());
            match perl.bytes(second)? {
                Some(text) => text,
                None => return Fail::croak("Wide character in subroutine entry"),
            }
        }
    };
    Ok(Parts {
        object,
        text,
        invalid,
    })
}

/// `IO::AIO::WD::DESTROY`: the last reference has gone. Closing may block, so a worker does it,
/// before everything else that is queued; it counts like any request.
pub fn destroy(perl: Perl, args: &Args) -> Result<Returns> {
    let Some(half) = enter_quietly(perl, args)? else {
        return Ok(Returns::Nothing);
    };
    let place = args
        .raw(0)
        .and_then(Sv::referent)
        .and_then(|body| half.wds.remove(perl, body));
    if let Some(Place::Dir(wd)) = place {
        if half.closing.get() {
            drop(wd);
        } else {
            let key = half
                .table
                .borrow_mut()
                .insert(&declare::CLOSE_WD, Priority::MAX);
            if let Some(key) = key {
                half.queue(key, Priority::MAX, Op::CloseWd { wd: Some(wd) });
            }
        }
    }
    Ok(Returns::Nothing)
}
