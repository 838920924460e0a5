//! Comma separated values, as RFC 4180 has them.

/// Reads the records of a text; `None` when a quote is not closed or stands in a bare field.
pub(super) fn read(text: &str) -> Option<Vec<Vec<String>>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    c => field.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\r' | '\n')) {
                if c == '"' {
                    return None;
                }
                field.push(c);
            }
        }
        record.push(field);
        match chars.next() {
            Some(',') if chars.peek().is_none() => record.push(String::new()),
            Some(',') => continue,
            Some('\r') => {
                chars.next_if_eq(&'\n');
            }
            Some('\n') | None => {}
            Some(_) => return None,
        }
        records.push(std::mem::take(&mut record));
    }
    // A line without anything is not a record.
    records.retain(|record| record.len() > 1 || record.iter().any(|field| !field.is_empty()));
    Some(records)
}

/// Adds a record to a text.
pub(super) fn write<'f>(text: &mut String, record: impl IntoIterator<Item = &'f str>) {
    for (index, field) in record.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\r', '\n']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let records = [
            vec!["key", "a,b", ""],
            vec!["say \"hi\"", "two\r\nlines", " x "],
        ];
        let mut text = String::new();
        for record in &records {
            write(&mut text, record.iter().copied());
        }
        assert_eq!(read(&text).unwrap(), records);
        assert_eq!(read("\u{feff}a,\n\nb").unwrap(), [vec!["a", ""], vec!["b"]]);
        assert_eq!(read("a,").unwrap(), [["a", ""]]);
        assert_eq!(read("\"a"), None);
        assert_eq!(read("a\"b"), None);
        assert_eq!(read("\"a\"b"), None);
    }
}
