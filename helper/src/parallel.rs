//! Work on all processors: the only module that makes threads.

use std::thread::Builder;

/// Hands shares of `items` to `work`, one to each processor, and returns what it made of them, in their order. Fewer than
/// `few` are one share, done here: they are done sooner than a thread is made. So is a share that no thread can be made
/// for, as under a limit on processes.
pub fn shares<T: Sync, R: Send>(items: &[T], few: usize, work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    shares_by(Builder::new, items, few, work)
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
            // A panic goes on where the work was asked for.
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(part) => work(part),
        });
        done.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_in_order_with_threads_and_without() {
        let items: Vec<usize> = (0..1000).collect();
        // No address space holds such a stack, so no thread is made.
        let huge = || Builder::new().stack_size(1 << 46);
        assert!(huge().spawn(|| ()).is_err());
        for shares in [shares(&items, 10, <[usize]>::to_vec), shares_by(huge, &items, 10, <[usize]>::to_vec)] {
            assert_eq!(shares.concat(), items);
        }
        assert_eq!(shares(&items, 1001, <[usize]>::len), [1000]);
        assert_eq!(shares(&[0; 0], 10, <[usize]>::len), [0]);
        assert!(is_possible());
    }
}
