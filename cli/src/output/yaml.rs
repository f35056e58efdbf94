//! JSON values as YAML: block style, strings always quoted as JSON quotes them, which YAML reads the same way.

use serde_json::Value;

pub(super) fn render(value: &Value) -> String {
    let mut text = String::new();
    push(value, 0, &mut text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn push(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (position, (name, field)) in fields.iter().enumerate() {
                indent(depth, position, text);
                text.push_str(&key(name));
                text.push(':');
                push_after(field, depth + 1, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                indent(depth, position, text);
                text.push_str("- ");
                push(item, depth + 1, text);
                end_line(text);
            }
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// What follows `name:`: on the same line when it is one word, else on lines of its own.
fn push_after(value: &Value, depth: usize, text: &mut String) {
    let is_block = value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty());
    if is_block {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    } else {
        text.push(' ');
    }
    push(value, depth, text);
    end_line(text);
}

/// The first entry stands where the parent left off.
fn indent(depth: usize, position: usize, text: &mut String) {
    if position > 0 {
        text.push_str(&"  ".repeat(depth));
    }
}

fn end_line(text: &mut String) {
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name);
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn nested_values_are_indented_blocks() {
        let value =
            json!([{"id": "a", "tags": ["x", "y"], "more": {"count": 1, "none": null}}, {"id": "b: c", "tags": []}]);
        let expected = concat!(
            "- id: \"a\"\n  more:\n    count: 1\n    none: null\n  tags:\n    - \"x\"\n    - \"y\"\n",
            "- id: \"b: c\"\n  tags: []\n",
        );
        assert_eq!(render(&value), expected);
    }
}
