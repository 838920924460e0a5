//! Work that is split among threads, with the result that one thread would have.

use std::panic::resume_unwind;
use std::thread;

/// Threads at most. What a plan is made of never depends on it.
const THREADS: usize = 4;

/// Fewer items than this are not worth a thread.
const FEWEST: usize = 256;

/// Does work on chunks of a list at once and returns the results in the order of the list.
pub(super) fn in_chunks<T: Send, R: Send>(
    items: &mut [T],
    work: impl Fn(&mut [T]) -> R + Sync,
) -> Vec<R> {
    let size = items.len().div_ceil(THREADS).max(FEWEST);
    if items.len() <= size {
        return vec![work(items)];
    }
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .chunks_mut(size)
            .map(|chunk| scope.spawn(move || work(chunk)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::in_chunks;

    #[test]
    fn results_come_in_the_order_of_the_list() {
        let mut numbers: Vec<usize> = (0..3000).collect();
        let chunks = in_chunks(&mut numbers, |chunk| chunk.to_vec());
        assert!(chunks.len() > 1);
        assert_eq!(chunks.concat(), numbers);
        assert_eq!(in_chunks(&mut [] as &mut [u8], |chunk| chunk.len()), [0]);
    }
}
