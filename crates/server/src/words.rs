//! What somebody looks for in a long list.

/// What is looked for: a text has it that has all the words, in letters of any size.
#[derive(Default)]
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn of(find: &str) -> Self {
        let words = find.split_whitespace().map(str::to_lowercase);
        Self(words.collect())
    }

    pub(crate) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|word| text.contains(word.as_str()))
    }
}
