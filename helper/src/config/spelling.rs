//! A value that TOML's parser cannot read: what is wrong with its quotes and brackets, and how it is written.

use super::judge::Spot;
use super::notation::assignment;
use super::values::{flag, number};
use super::words::{Kind, Words};

/// What is wrong with the text behind a `=`, and whether it misleads the parser.
pub(super) fn value(spot: Spot<'_>, value: &str, message: &str) -> (Words, bool) {
    let key = spot.key;
    let say = |what: String, remedy: String| ((what, remedy), false);
    let right = |text: &str| right(spot, text);
    let write = || format!("write {}", right(value));
    let is_tables = spot.kind().is_some_and(Kind::is_tables);
    match value.chars().next() {
        None => say(format!("`{key}` has no value"), format!("write {}", right("…"))),
        Some('=') => {
            say(format!("there are two `=` behind `{key}`"), format!("write {}", right(value.trim_start_matches(['=', ' ']))))
        }
        Some('“' | '”' | '„' | '‘' | '’' | '«' | '»') => {
            say(format!("the quotes of `{key}` are not those of a keyboard"), write())
        }
        Some('"' | '\'') if message.contains("escape") => {
            let other = value.trim_matches(['"', '\'']).replace('\\', "/");
            let meant = other.contains('.') && !other.contains(' ') && spot.refusal_of(&other).is_none();
            let remedy = if meant {
                format!("write {key} = \"{other}\"")
            } else {
                "write two of them, or put the text into single quotes".to_owned()
            };
            say(format!("a backslash in the value of `{key}` begins a code"), remedy)
        }
        Some(quote @ ('"' | '\'')) => match value[1..].split_once(quote) {
            None => ((format!("the quotes of `{key}` are not closed"), write()), true),
            Some((_, rest)) if rest.contains(['}', ']']) && rest.chars().all(|c| "}], \t".contains(c)) => {
                say(format!("before `{key}` stands no comma"), "write one behind the field on the line above".to_owned())
            }
            Some((_, rest)) if assignment(rest.trim_start_matches([',', ' ', '\t'])).is_some() => {
                say(format!("behind the value of `{key}` stands another key"), "write each key on a line of its own".to_owned())
            }
            Some((_, rest)) if rest.trim_start().starts_with(',') && rest.trim().len() > 1 => {
                say(format!("several values of `{key}` are a list"), format!("write {key} = [{value}]"))
            }
            Some((text, _)) => say(format!("behind the value of `{key}` stands more"), format!("write {}", right(text))),
        },
        Some('[') if value.matches(']').count() > value.matches('[').count() => {
            say(format!("the list of `{key}` has a `]` too many"), "remove one".to_owned())
        }
        Some('[' | '{') if is_tables => {
            let written = tables(value).filter(|written| format!("{key} = {written}").parse::<toml::Table>().is_ok());
            let example = || format!("[{}]", spot.small_table(value.trim_matches(['[', ']', ' '])));
            let what = match message {
                _ if value.contains("\":") || value.contains(": ") => format!("in `{key}`, `=` stands between key and value"),
                _ if message.contains("quoted") => format!("a value in `{key}` has no quotes"),
                _ => message.to_owned(),
            };
            say(what, format!("write {key} = {}", written.unwrap_or_else(example)))
        }
        Some('[') => {
            let inner = value.trim_matches(['[', ']', ' ', ',', ';']);
            let quoted = |item: &str| item.trim().starts_with(['"', '\'', '{']);
            if inner.split(',').all(quoted) {
                if message.contains("comma") {
                    return say(message.to_owned(), "write a comma between the values".to_owned());
                }
                let items: Vec<String> =
                    inner.split(',').map(|item| quote(item.trim_end_matches([']', '.', ';', ' ']))).collect();
                return say(
                    format!("the list of `{key}` does not end with a quote and `]`"),
                    format!("write {key} = [{}]", items.join(", ")),
                );
            }
            if let Some(several) = spot.several(inner) {
                return say(format!("the values in the list of `{key}` have no quotes"), format!("write {key} = [{several}]"));
            }
            let items: Vec<String> = inner.split(',').map(quote).collect();
            say(format!("the values in the list of `{key}` have no quotes"), format!("write {key} = [{}]", items.join(", ")))
        }
        Some('{') if message.contains("quoted") => {
            say(format!("a value in `{key}` has no quotes"), "write { key = \"value\", key = \"value\" }".to_owned())
        }
        Some('{') => say(message.to_owned(), "write { key = \"value\", key = \"value\" }".to_owned()),
        Some(_) => {
            let bare = value.trim_end_matches([';', ',']);
            let what = match spot.kind() {
                Some(Kind::Flag) => format!("`{key}` must be true or false"),
                Some(Kind::Number) => format!("`{key}` must be a whole number, and nothing behind it"),
                Some(Kind::List) | None if bare.contains(',') => format!("the value of `{key}` has no quotes"),
                _ => match spot.fault(bare) {
                    Some((what, remedy)) => return say(format!("the value of `{key}` has no quotes, and {what}"), remedy),
                    None => format!("the value of `{key}` has no quotes"),
                },
            };
            say(what, write())
        }
    }
}

/// A text in quotes, whatever quotes and ends it had.
pub(super) fn quote(text: &str) -> String {
    let bare = text.trim().trim_matches(['"', '\'', '“', '”', '„', '‘', '’', '«', '»', ';', ',', ' ']);
    format!("\"{}\"", bare.replace('\\', "\\\\"))
}

/// How the key is set to what was meant.
pub(super) fn right(spot: Spot<'_>, text: &str) -> String {
    let key = spot.key;
    let bare = text.trim().trim_end_matches([';', ',']);
    let value = match spot.kind() {
        Some(Kind::Flag) => flag(bare.trim_matches(['"', '\''])).map_or("true or false".to_owned(), |flag| flag.to_string()),
        Some(Kind::Number) => number(key, bare.trim_matches(['"', '\''])).to_string(),
        Some(Kind::Generation) if bare.parse::<u32>().is_ok() => bare.to_owned(),
        Some(Kind::List) => {
            let items = || bare.split(',').map(quote).collect::<Vec<_>>().join(", ");
            format!("[{}]", spot.several(bare).unwrap_or_else(items))
        }
        Some(Kind::Mounts | Kind::Exports) => format!("[{}]", spot.small_table(bare.trim_matches(['"', '\'']))),
        Some(Kind::Vars) => "{ NAME = \"…\" }".to_owned(),
        Some(Kind::TextOrList) if spot.several(bare).is_some() => format!("[{}]", spot.several(bare).unwrap_or_default()),
        Some(Kind::Text | Kind::TextOrList | Kind::Generation | Kind::Scratch) | None => quote(bare),
    };
    format!("{key} = {value}")
}

/// Mounts or exports as they were meant: with `=`, and with quotes where there are none.
fn tables(value: &str) -> Option<String> {
    let mut tables = Vec::new();
    for table in value.split('{').skip(1) {
        let (fields, _) = table.split_once('}')?;
        let mut set = Vec::new();
        for field in fields.split(',').filter(|field| !field.trim().is_empty()) {
            let (key, value) = field.split_once(['=', ':'])?;
            let (key, value) = (key.trim().trim_matches('"'), value.trim());
            let written = if value.starts_with(['"', '\'']) {
                value.to_owned()
            } else {
                flag(value).map_or_else(|| quote(value), |flag| flag.to_string())
            };
            set.push(format!("{key} = {written}"));
        }
        tables.push(format!("{{ {} }}", set.join(", ")));
    }
    (!tables.is_empty()).then(|| format!("[{}]", tables.join(", ")))
}
