//! The command of the site's own that switches machines on and off.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shown;

/// What may stand in braces, besides values of the site's own.
const NAMES: [&str; 4] = ["node", "address", "mac", "action"];
/// Before the name of a value of the site's own.
const VARS: &str = "vars.";

checked_text!(
    /// A command with places for what is a machine's own: `ipmitool -H {vars.bmc} chassis power {action}`. Its words are
    /// what lies between spaces; no shell reads it.
    PowerCommand,
    |text| {
        if let Some(wrong) = text.chars().find(|c| "'\"\\|&;<>$`*?()#".contains(*c) || c.is_control()) {
            let what = format!("`{}` means nothing in `{}`, for no shell reads it", wrong.escape_default(), shown(text));
            return Err(format!("{what}; put the command into a script, and name that"));
        }
        let mut acts = false;
        for part in text.split('{').skip(1) {
            let Some((name, _)) = part.split_once('}') else {
                return Err(format!("`{}` has a brace that is not closed; write {{node}}", shown(text)));
            };
            if !NAMES.contains(&name) && name.strip_prefix(VARS).is_none_or(str::is_empty) {
                let known = NAMES.map(|name| format!("{{{name}}}")).join(", ");
                return Err(format!("`{{{}}}` stands for nothing; use {known} or {{vars.NAME}}", shown(name)));
            }
            acts |= name == "action";
        }
        if !acts || text.starts_with(['{', ' ']) {
            let what = format!("`{}` does not say what is to be done", shown(text));
            return Err(format!("{what}; begin with a program, and put {{action}} where on, off, cycle or status belongs"));
        }
        Ok(())
    }
);

impl PowerCommand {
    /// The words of the command, with what `value` has for each name in braces.
    ///
    /// # Errors
    /// The first name that has no value.
    pub fn words(&self, value: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
        let word = |word: &str| {
            let mut parts = word.split('{');
            let mut text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let (name, rest) = part.split_once('}').unwrap_or((part, ""));
                text.push_str(&value(name).ok_or_else(|| name.to_owned())?);
                text.push_str(rest);
            }
            Ok(text)
        };
        self.0.split_whitespace().map(word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_gets_its_values_and_stays_one_word() {
        let command: PowerCommand = "ipmitool -H {vars.bmc}.lan  chassis power {action}".parse().unwrap();
        let value = |name: &str| match name {
            "vars.bmc" => Some("a b;c {action}".to_owned()),
            "action" => Some("on".to_owned()),
            _ => None,
        };
        assert_eq!(command.words(value).unwrap(), ["ipmitool", "-H", "a b;c {action}.lan", "chassis", "power", "on"]);
        assert_eq!(command.words(|_| None).unwrap_err(), "vars.bmc");
    }

    #[test]
    fn what_would_not_work_is_refused() {
        for (text, told) in [
            ("ipmitool -P 'x' {action}", "put the command into a script"),
            ("ipmi {action} | tee log", "put the command into a script"),
            ("ipmi {adress} {action}", "`{adress}` stands for nothing; use {node}, {address}, {mac}, {action} or {vars.NAME}"),
            ("ipmi {vars.} {action}", "stands for nothing"),
            ("ipmi {action", "not closed"),
            ("ipmi {node} on", "put {action} where"),
            ("{node} {action}", "begin with a program"),
        ] {
            let error = text.parse::<PowerCommand>().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!("/etc/voidclust/power {node} {address} {mac} {vars.x} {action}".parse::<PowerCommand>().is_ok());
    }
}
