//! Prints lines. A reader that is gone, or a full disk behind `>`, must not stop a run half-way through its stages: what is
//! lost is told at the end, and who closed the pipe himself knows.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

static LOST: Mutex<Option<Error>> = Mutex::new(None);

/// One line on standard output.
pub fn line(text: Arguments<'_>) {
    done(writeln!(anstream::stdout(), "{text}"));
}

/// A file on standard output, as it is.
pub fn bytes(text: &[u8]) {
    let mut out = std::io::stdout();
    done(out.write_all(text).and_then(|()| out.flush()));
}

fn done(printed: std::io::Result<()>) {
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// One line on standard error; when that is closed, there is nobody to be told.
pub fn error_line(text: Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Why something could not be printed, if so; asked once, at the end.
#[must_use]
pub fn lost() -> Option<Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// [`line()`] of a format.
macro_rules! say {
    ($($text:tt)*) => { $crate::print::line(format_args!($($text)*)) };
}

/// [`error_line`] of a format.
macro_rules! say_err {
    ($($text:tt)*) => { $crate::print::error_line(format_args!($($text)*)) };
}

pub(crate) use {say, say_err};
