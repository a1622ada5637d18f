//! What a process that stays up says on standard output. Whoever listened may have
//! gone (`lattice server | head`), and that must not end it, as `println!` would.

/// As `println!`; a standard output that is closed is no error.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        // There is nobody left to tell.
        drop(writeln!(std::io::stdout(), $($text)*));
    }};
}
pub(crate) use say;
