//! Choices that are the same in every run.

/// Gives numbers out of a seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Gives a number below a bound; zero when there is none below it.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// Picks one of several.
    pub(crate) fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(self.below(items.len()))
    }

    /// Picks some of several, none twice, in their order.
    pub(crate) fn some<'i, T>(&mut self, items: &'i [T], count: usize) -> Vec<&'i T> {
        if items.is_empty() {
            return Vec::new();
        }
        let count = count.min(items.len());
        let stride = items.len() / count.max(1);
        let from = self.below(items.len());
        let mut places: Vec<usize> = (0..count)
            .map(|index| (from + index * stride) % items.len())
            .collect();
        places.sort_unstable();
        places.iter().map(|place| &items[*place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_different_and_never_too_many() {
        let items: Vec<usize> = (0..10).collect();
        let mut random = Random::new(1);
        for count in [0, 1, 3, 10, 20] {
            for _ in 0..20 {
                let mut picked = random.some(&items, count);
                let all = picked.len();
                picked.dedup();
                assert_eq!((picked.len(), all), (count.min(10), count.min(10)));
            }
        }
        assert_eq!(random.some(&[] as &[usize], 3), Vec::<&usize>::new());
        assert_eq!(random.pick(&[] as &[usize]), None);
    }
}
