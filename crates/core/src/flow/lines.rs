//! Turns byte offsets into lines and columns.

/// Bytes between two remembered character counts: bounds the work of one lookup, whatever the
/// length of a line.
const STRIDE: usize = 1024;

/// An index of the line starts of a text.
#[derive(Debug)]
pub(super) struct Lines {
    starts: Vec<usize>,
    chars: Vec<usize>,
}

impl Lines {
    /// Indexes `text`, whose first `base` bytes (a byte-order mark) have no column.
    pub(super) fn new(text: &str, base: usize) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![base];
        let mut chars = Vec::with_capacity(bytes.len() / STRIDE + 1);
        let mut count = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if at % STRIDE == 0 {
                chars.push(count);
            }
            count += usize::from(is_char_start(*byte));
            let alone = *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n');
            if *byte == b'\n' || alone {
                starts.push(at + 1);
            }
        }
        Self { starts, chars }
    }

    /// The line and column of a byte offset of the same text, both counted from 1.
    pub(super) fn position(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let column = self
            .chars_before(text, offset)
            .saturating_sub(self.chars_before(text, start));
        (line, column + 1)
    }

    fn chars_before(&self, text: &str, offset: usize) -> usize {
        let offset = offset.min(text.len());
        let slot = (offset / STRIDE).min(self.chars.len().saturating_sub(1));
        let Some(known) = self.chars.get(slot) else {
            return 0;
        };
        let rest = &text.as_bytes()[slot * STRIDE..offset];
        known + rest.iter().filter(|byte| is_char_start(**byte)).count()
    }
}

fn is_char_start(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn positions_count_characters_and_all_line_ends() {
        let text = "ab\ncäd\r\ne\rf";
        let lines = Lines::new(text, 0);
        let at = |needle: char| lines.position(text, text.find(needle).unwrap());
        assert_eq!(at('a'), (1, 1));
        assert_eq!(at('d'), (2, 3));
        assert_eq!(at('e'), (3, 1));
        assert_eq!(at('f'), (4, 1));
        assert_eq!(lines.position("", 0), (1, 1));
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        let text = "\u{feff}ab";
        assert_eq!(Lines::new(text, 3).position(text, 4), (1, 2));
    }

    #[test]
    fn columns_are_right_beyond_a_stride() {
        let text = "ä".repeat(3000);
        assert_eq!(Lines::new(&text, 0).position(&text, 5000), (1, 2501));
    }
}
