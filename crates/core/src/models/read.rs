//! Reads the file.

use super::{Field, Limits, Models, Type};

/// Reads the file. What cannot be read says nothing; a test reads every line.
pub(super) fn read(models: &'static str) -> Models {
    let mut found = Models::default();
    let mut fields: Option<&mut Vec<Field>> = None;
    for line in lines(models) {
        if let Some(head) = line.strip_prefix("= ") {
            let (kind, _) = head.split_once(' ').unwrap_or((head, ""));
            fields = Some(found.kinds.entry(kind).or_default());
        } else if let Some(model) = line.strip_prefix(": ") {
            fields = Some(found.models.entry(model).or_default());
        } else if let (Some(fields), Some(field)) = (&mut fields, field(line)) {
            fields.push(field);
        }
    }
    found
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// Reads `name type values=A|B minimum=1`.
pub(super) fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let (name, ty) = (words.next()?, ty(words.next()?)?);
    let mut values = Vec::new();
    let mut limits = Limits::default();
    let mut required = false;
    for word in words {
        if word == "required" {
            required = true;
            continue;
        }
        let (constraint, value) = word.split_once('=')?;
        match constraint {
            "values" => values = value.split('|').collect(),
            "minimum" => limits.minimum = Some(value.parse().ok()?),
            "maximum" => limits.maximum = Some(value.parse().ok()?),
            "min_length" => limits.min_length = Some(value.parse().ok()?),
            "max_length" => limits.max_length = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(Field {
        name,
        ty,
        values,
        limits,
        required,
    })
}

fn ty(text: &'static str) -> Option<Type> {
    let inner = |open, close| text.strip_prefix(open)?.strip_suffix(close).and_then(ty);
    Some(match text {
        "text" => Type::Text,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        "time" => Type::Time,
        "date" => Type::Date,
        "any" => Type::Any,
        _ if text.starts_with('[') => Type::List(Box::new(inner('[', ']')?)),
        _ if text.starts_with('{') => Type::Map(Box::new(inner('{', '}')?)),
        model => Type::Model(model),
    })
}

#[cfg(test)]
mod tests {
    use super::super::MODELS;
    use super::*;

    #[test]
    fn every_line_of_the_files_is_read() {
        let fields = lines(MODELS).filter(|line| !line.starts_with(['=', ':']));
        let bad: Vec<&str> = fields.filter(|line| field(line).is_none()).collect();
        assert_eq!(bad, Vec::<&str>::new());
    }

    #[test]
    fn a_field_has_a_type_and_what_bounds_it() {
        let found =
            field("levels [{[integer]}] values=1|2 minimum=1 maximum=2.5").expect("a field");
        let list = |inner| Type::List(Box::new(inner));
        let map = Type::Map(Box::new(list(Type::Integer)));
        assert_eq!((found.name, found.ty), ("levels", list(map)));
        assert_eq!(found.values, ["1", "2"]);
        assert_eq!(
            (found.limits.minimum, found.limits.maximum),
            (Some(1.0), Some(2.5))
        );
    }
}
