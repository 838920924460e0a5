//! Rows of data tables as comma separated values: how they go to an org and come from it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Says why a file is not the rows of a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRows {
    /// It is no CSV.
    #[error("{0}")]
    NotCsv(String),
    /// A column is not in the schema of the table.
    #[error("the table has no column {0:?}")]
    Column(String),
    /// A cell does not fit its column.
    #[error("{cell:?} in line {line} is no {wanted}")]
    Cell {
        /// What stands there.
        cell: String,
        /// Where, from 1.
        line: u64,
        /// The type of its column.
        wanted: String,
    },
}

/// Reads rows as the API would list them, typed by the schema of their table.
///
/// The first line names the columns, by what the schema calls them or by their titles. An empty cell of
/// a text is an empty text; of any other type it is a value that the row does not have.
///
/// # Errors
/// What does not fit the schema: nothing is guessed.
pub fn from_csv(schema: &Value, csv: &[u8]) -> Result<Vec<Value>, BadRows> {
    let csv = csv.strip_prefix("\u{feff}".as_bytes()).unwrap_or(csv);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv);
    let mut columns: Option<Vec<(String, &str)>> = None;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| BadRows::NotCsv(error.to_string()))?;
        let Some(columns) = &columns else {
            let named = record.iter().map(|name| column(schema, name));
            columns = Some(named.collect::<Result<_, _>>()?);
            continue;
        };
        let line = record.position().map_or(0, csv::Position::line);
        let mut row = Map::new();
        for ((name, wanted), cell) in columns.iter().zip(&record) {
            if let Some(value) = value(wanted, cell).ok_or_else(|| BadRows::Cell {
                cell: cell.to_owned(),
                line,
                wanted: (*wanted).to_owned(),
            })? {
                row.insert(name.clone(), value);
            }
        }
        rows.push(Value::Object(row));
    }
    Ok(rows)
}

/// Finds a column by its name in the schema or by its title; returns name and type.
fn column<'s>(schema: &'s Value, name: &str) -> Result<(String, &'s str), BadRows> {
    let unknown = || BadRows::Column(name.to_owned());
    let columns = schema.get("properties").and_then(Value::as_object);
    let columns = columns.ok_or_else(unknown)?;
    let titled = || columns.iter().find(|(_, column)| column["title"] == name);
    let (name, column) = columns
        .get_key_value(name)
        .or_else(titled)
        .ok_or_else(unknown)?;
    Ok((name.clone(), column["type"].as_str().unwrap_or("string")))
}

/// Reads a cell; nothing where it has no value, and no answer where it is of another type.
#[expect(
    clippy::option_option,
    reason = "a value that is not there is no mistake"
)]
fn value(wanted: &str, cell: &str) -> Option<Option<Value>> {
    let read = match wanted {
        "string" => return Some(Some(cell.into())),
        _ if cell.is_empty() => return Some(None),
        "boolean" if cell.eq_ignore_ascii_case("true") => Value::Bool(true),
        "boolean" if cell.eq_ignore_ascii_case("false") => Value::Bool(false),
        "integer" | "number" => serde_json::from_str(cell).ok().filter(Value::is_number)?,
        _ => return None,
    };
    (wanted != "integer" || read.is_i64() || read.is_u64()).then_some(Some(read))
}

/// Writes rows: the key first, then every column that a row has.
pub(crate) fn to_csv(rows: &[Value]) -> String {
    let columns: BTreeSet<&String> = rows
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|row| row.keys())
        .collect();
    let key = "key".to_owned();
    let order: Vec<&String> = std::iter::once(&key)
        .chain(columns.into_iter().filter(|column| **column != key))
        .collect();
    let cell = |text: &str| {
        let plain = !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
        if plain {
            text.to_owned()
        } else {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
    };
    let mut lines = vec![
        order
            .iter()
            .map(|column| cell(column))
            .collect::<Vec<_>>()
            .join(","),
    ];
    for row in rows {
        let cells = order.iter().map(|column| match row.get(column.as_str()) {
            Some(Value::String(text)) => cell(text),
            Some(other) => cell(&other.to_string()),
            None => String::new(),
        });
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\r\n") + "\r\n"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        let column = |title: &str, ty: &str| json!({"title": title, "type": ty});
        json!({"properties": {
            "key": column("Postcode", "string"), "Text": column("Text", "string"),
            "Open": column("Is open", "boolean"), "Count": column("Count", "integer"),
            "Share": column("Share", "number"),
        }})
    }

    /// Texts with all that a file of values must quote.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ ,\"\r\na-c;\t'ü日]{0,12}", any::<String>()]
    }

    fn row() -> impl Strategy<Value = Value> {
        let count = proptest::option::of(prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
        ]);
        let share = proptest::option::of(any::<f64>().prop_filter("JSON", |n| n.is_finite()));
        let open = proptest::option::of(any::<bool>());
        let key = text().prop_map(|key| format!("k{key}"));
        (key, text(), open, count, share).prop_map(|(key, text, open, count, share)| {
            let mut row = json!({ "key": key, "Text": text });
            let rest = [
                ("Open", open.map(Value::from)),
                ("Count", count),
                ("Share", share.map(Value::from)),
            ];
            for (name, value) in rest {
                if let Some(value) = value {
                    row[name] = value;
                }
            }
            row
        })
    }

    proptest! {
        /// What is written is read again: values, types, and cells that are not there.
        #[test]
        fn rows_survive_the_file(rows in proptest::collection::vec(row(), 1..20)) {
            prop_assert_eq!(from_csv(&schema(), to_csv(&rows).as_bytes()), Ok(rows));
        }
    }

    #[test]
    fn columns_are_known_by_name_or_title_and_what_does_not_fit_is_refused() {
        let read = |text: &str| from_csv(&schema(), text.as_bytes());
        let rows = read("\u{feff}Postcode,Is open,Count\r\n1000,TRUE,\r\n");
        assert_eq!(rows, Ok(vec![json!({"key": "1000", "Open": true})]));
        assert_eq!(read(""), Ok(vec![]));
        let refused = |text: &str| read(text).expect_err("a refusal").to_string();
        assert_eq!(
            refused("key,Other\r\n1,2\r\n"),
            "the table has no column \"Other\""
        );
        assert_eq!(
            refused("key,Count\n1,1.5\n"),
            "\"1.5\" in line 2 is no integer"
        );
        assert_eq!(
            refused("key,Open\n1,yes\n"),
            "\"yes\" in line 2 is no boolean"
        );
        assert_eq!(
            refused("key,Share\n1,\"{}\"\n"),
            "\"{}\" in line 2 is no number"
        );
        assert!(refused("key,Text\n1\n").contains("1 fields"));
    }
}
