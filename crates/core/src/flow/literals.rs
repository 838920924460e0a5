//! Texts that tie a flow to one org or one place: GUIDs and web addresses.

/// The lengths of the groups of a GUID.
const GUID: [usize; 5] = [8, 4, 4, 4, 12];

/// Every GUID of a text that stands alone.
pub(crate) fn guids(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
    words
        .filter(|word| word.len() == 36 && word.chars().all(is_part))
        .filter(|word| word.split('-').map(str::len).eq(GUID))
        .collect()
}

/// Every web address of a text, without those of XML namespaces.
pub(crate) fn urls(text: &str) -> Vec<&str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '\\' | ')');
    let words = text.split(ends);
    words
        .filter_map(|word| {
            let at = word.find("https://").or_else(|| word.find("http://"))?;
            Some(&word[at..])
        })
        .filter(|url| !url.contains("://www.w3.org/") && !url.ends_with("://"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{guids, urls};

    #[test]
    fn guids_stand_alone() {
        let guid = "a6f03f8d-bb75-4bcf-8304-2d73a0f21572";
        assert_eq!(guids(&format!("x = \"{guid}\"")), [guid]);
        assert_eq!(guids(&format!("custom_-_{guid}")), [guid]);
        assert!(guids(&format!("{guid}0")).is_empty());
        assert!(guids("a6f03f8d-bb75-4bcf-8304-2d73a0f2157z").is_empty());
    }

    #[test]
    fn urls_end_where_text_goes_on() {
        assert_eq!(
            urls("see (https://example.com/a?b=c) or"),
            ["https://example.com/a?b=c"]
        );
        assert!(urls("<speak xmlns=\"http://www.w3.org/2001/10/synthesis\">").is_empty());
    }
}
