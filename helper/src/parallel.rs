//! Work on all processors: the only module that makes threads.

use std::thread::{Builder, ScopedJoinHandle};

/// Fewer files or menus than these are done sooner than a thread is made.
pub const FEW: usize = 256;

/// Hands shares of `items` to `work`, one to each processor, and returns what it made of them, in their order. Fewer than
/// `few` are one share, done here: they are done sooner than a thread is made. So is a share that no thread can be made
/// for, as under a limit on processes.
pub fn shares<T: Sync, R: Send>(items: &[T], few: usize, work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    shares_by(Builder::new, items, few, work)
}

/// Does two things at once, or one after the other where no thread can be made.
pub fn both<A: Send, B>(beside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    both_by(Builder::new(), beside, here)
}

fn both_by<A: Send, B>(builder: Builder, beside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = builder.spawn_scoped(scope, &beside);
        let done = here();
        (thread.map_or_else(|_| beside(), finished), done)
    })
}

/// What a thread made. A panic goes on where the work was asked for.
fn finished<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether a thread can be made at this moment. Libraries that make one for themselves panic otherwise.
#[must_use]
pub fn is_possible() -> bool {
    Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok())
}

fn shares_by<T: Sync, R: Send>(
    builder: impl Fn() -> Builder,
    items: &[T],
    few: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let processors = if items.len() < few { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let share = items.len().div_ceil(processors).max(1);
    if items.len() <= share {
        return vec![work(items)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let spawn = |part| builder().spawn_scoped(scope, move || work(part)).map_err(|_| part);
        let threads: Vec<_> = items.chunks(share).map(spawn).collect();
        let done = threads.into_iter().map(|thread| match thread {
            Ok(thread) => finished(thread),
            Err(part) => work(part),
        });
        done.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_with_threads_and_without_and_shares_come_back_in_order() {
        let items: Vec<usize> = (0..1000).collect();
        // No address space holds such a stack, so no thread is made.
        let huge = || Builder::new().stack_size(1 << 46);
        assert!(huge().spawn(|| ()).is_err());
        for shares in [shares(&items, 10, <[usize]>::to_vec), shares_by(huge, &items, 10, <[usize]>::to_vec)] {
            assert_eq!(shares.concat(), items);
        }
        assert_eq!((both(|| 1, || 2), both_by(huge(), || 1, || 2)), ((1, 2), (1, 2)));
        assert_eq!(shares(&items, 1001, <[usize]>::len), [1000]);
        assert_eq!(shares(&[0; 0], 10, <[usize]>::len), [0]);
        assert!(is_possible());
    }
}
