//! Prints lines. A reader that is gone, or a full disk behind `>`, must not stop a run half-way through its stages: what is
//! lost is told at the end, and who closed the pipe himself knows.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static LOST: Mutex<Option<Error>> = Mutex::new(None);
static UNREAD: AtomicBool = AtomicBool::new(false);

/// One line on standard output.
pub fn line(text: Arguments<'_>) {
    done(writeln!(anstream::stdout(), "{text}"));
}

/// A file on standard output, as it is.
pub fn bytes(text: &[u8]) {
    let mut out = std::io::stdout();
    done(out.write_all(text).and_then(|()| out.flush()));
}

/// How many columns the terminal has that this is printed on; `None` when it is none.
#[must_use]
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn done(printed: std::io::Result<()>) {
    match printed {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => UNREAD.store(true, Ordering::Relaxed),
        Err(error) => _ = LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error),
    }
}

/// One line on standard error; when that is closed, there is nobody to be told.
pub fn error_line(text: Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Whether nobody reads any more what is printed: who would go on for ever may stop.
#[must_use]
pub fn is_unread() -> bool {
    UNREAD.load(Ordering::Relaxed)
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
