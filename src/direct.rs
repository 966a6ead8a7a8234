//! The synchronous calls.

use perl_xs::{Perl, Result, Sv};

/// Unmaps a scalar that `mmap` mapped; leaves any other alone.
pub fn unmap(_perl: Perl, _sv: Sv) -> Result<()> {
    Ok(())
}
