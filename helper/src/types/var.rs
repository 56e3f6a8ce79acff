//! Values of the site's own, which templates see as `vars.NAME`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{quoted, shown};

checked_text!(
    /// What a value of the site's is called: templates must take it for one word.
    VarName,
    |text| {
        if is_identifier(text) {
            return Ok(());
        }
        let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let meant = if is_identifier(&plain) { plain } else { format!("x{plain}") };
        let remedy = if is_identifier(&meant) { meant } else { "rack".to_owned() };
        Err(format!("`{}` cannot be written as `vars.NAME` in a template; call it {remedy}", shown(text)))
    }
);

checked_text!(
    /// A text for templates: it stays on the line where it is put.
    VarText,
    |text| {
        if text.contains(char::is_control) {
            let lines = text.trim_end().lines().count() > 1;
            let remedy = if lines { "write a list of lines" } else { "leave out line feeds and the like" };
            return Err(format!("`{}` has characters that would break a line; {remedy}", shown(text)));
        }
        Ok(())
    }
);

/// Letters, digits and underscores, as minijinja reads a name.
fn is_identifier(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
}

/// A value of the site's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Var {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A number with a point.
    Fraction(f64),
    /// A text.
    Text(VarText),
    /// Several of these, but no list in a list.
    List(Vec<Var>),
}

// By hand: what serde makes of `untagged` for reading is ten times as large, in every table that has one.
impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Var;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false, or a list of these")
            }
            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Var, E> {
                Ok(Var::Flag(flag))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Var, E> {
                Ok(Var::Number(number))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Var, E> {
                Ok(Var::Fraction(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Var, E> {
                text.parse().map(Var::Text).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Var, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Var::List(list))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl fmt::Display for Var {
    /// As it is written in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Fraction(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(&quoted(text.as_str())),
            Self::List(list) => {
                let items: Vec<String> = list.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// Values of the site's in one table, by name.
pub type Vars = BTreeMap<VarName, Var>;
