//! Names that count: `n[01-16]`, as clush and pdsh write them, and what counts along with them.

use std::collections::BTreeMap;

use super::shown;

/// No cluster has more machines: a /16 is the largest subnet.
const MOST: usize = 65_533;

/// The names that a text stands for: `n[01-03,7],master2` is n01, n02, n03, n7 and master2.
///
/// # Errors
/// When brackets are not closed, hold no numbers, or stand for more names than a cluster has.
pub fn names(text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for part in between_brackets(text)? {
        found.extend(series(part)?);
        if found.len() > MOST {
            return Err(format!("`{}` stands for more than {MOST} names; take fewer", shown(text)));
        }
    }
    Ok(found)
}

/// The parts between commas that stand in no brackets.
fn between_brackets(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut begin, mut open) = (Vec::new(), 0, false);
    for (at, sign) in text.char_indices() {
        match (sign, open) {
            ('[', false) | (']', true) => open = !open,
            (',', false) => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            ('[' | ']', _) => return Err(wrong(text)),
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    if open { Err(wrong(text)) } else { Ok(parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()) }
}

fn wrong(text: &str) -> String {
    format!("`{}` is no series of names; write n[01-16] or n[1-3,7]", shown(text))
}

/// The names of one part: each of its brackets counts, the last one fastest.
fn series(part: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = part.split_once('[') else { return Ok(vec![part.to_owned()]) };
    let (inside, behind) = rest.split_once(']').ok_or_else(|| wrong(part))?;
    let numbers = numbers(inside).ok_or_else(|| wrong(part))?;
    let behind = series(behind)?;
    if numbers.len().saturating_mul(behind.len()) > MOST {
        return Err(format!("`{}` stands for more than {MOST} names; take fewer", shown(part)));
    }
    Ok(numbers.iter().flat_map(|number| behind.iter().map(move |behind| format!("{before}{number}{behind}"))).collect())
}

/// `01-03,7`: zeros in front of the first number give all of them its width.
fn numbers(inside: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for part in inside.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| is_number)
        };
        let (from, to) = (number(first)?, number(last)?);
        if from > to || usize::try_from(to - from).ok()? > MOST {
            return None;
        }
        let width = if first.starts_with('0') { first.len() } else { 0 };
        found.extend((from..=to).map(|number| format!("{number:0width$}")));
    }
    Some(found)
}

/// The same the other way: names in as few words as can be, for a person and for clush.
#[must_use]
pub fn folded<'name>(names: impl IntoIterator<Item = &'name str>) -> String {
    // By what stands around the last number of the first label, and its width where zeros lead.
    let mut groups: BTreeMap<(&str, &str, usize), Vec<u32>> = BTreeMap::new();
    let mut order = Vec::new();
    for name in names {
        let label = name.find('.').unwrap_or(name.len());
        let end = name[..label].rfind(|c: char| c.is_ascii_digit()).map_or(0, |last| last + 1);
        let begin = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |before| before + 1);
        let digits = &name[begin..end];
        let Ok(number) = digits.parse::<u32>() else {
            order.push(Err(name));
            continue;
        };
        let width = if digits.len() > 1 && digits.starts_with('0') { digits.len() } else { 0 };
        // n9 and n10 are of one series, and so are n09 and n10.
        let padded = |width: usize| (&name[..begin], &name[end..], width);
        let own = padded(width);
        let key = if groups.contains_key(&padded(digits.len())) { padded(digits.len()) } else { own };
        if !groups.contains_key(&key) {
            order.push(Ok(key));
        }
        groups.entry(key).or_default().push(number);
    }
    let words: Vec<String> = order
        .into_iter()
        .map(|word| match word {
            Err(name) => name.to_owned(),
            Ok(key @ (before, behind, width)) => {
                let runs = runs(groups.remove(&key).unwrap_or_default(), width);
                match &runs[..] {
                    [one] if !one.contains('-') => format!("{before}{one}{behind}"),
                    _ => format!("{before}[{}]{behind}", runs.join(",")),
                }
            }
        })
        .collect();
    words.join(",")
}

/// `1-3` and `7` of 1, 2, 3 and 7.
fn runs(mut numbers: Vec<u32>, width: usize) -> Vec<String> {
    numbers.sort_unstable();
    numbers.dedup();
    let follow = |left: &u32, right: &u32| left + 1 == *right;
    let runs = numbers.chunk_by(follow).map(|run| match run {
        [first, .., last] => format!("{first:0width$}-{last:0width$}"),
        run => run.iter().map(|one| format!("{one:0width$}")).collect(),
    });
    runs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_count_and_commas_add() {
        for (text, wanted) in [
            ("n1", "n1"),
            ("n[01-03,7]", "n01 n02 n03 n7"),
            ("n[8-11]", "n8 n9 n10 n11"),
            ("r[1-2]n[1-2].x", "r1n1.x r1n2.x r2n1.x r2n2.x"),
            ("a, b,n[1,3]", "a b n1 n3"),
        ] {
            assert_eq!(names(text).unwrap().join(" "), wanted, "{text}");
        }
        for text in ["n[", "n]", "n[a-b]", "n[3-1]", "n[1-]", "n[[1]]", "n[]", "n[0-99999999]", "n[1-300]n[1-300]"] {
            let error = names(text).unwrap_err();
            assert!(error.contains("; "), "{text}: {error}");
        }
    }

    #[test]
    fn names_fold_into_what_clush_reads() {
        let fold = |text: &str| folded(text.split(' '));
        assert_eq!(fold("n1 n2 n3 n7"), "n[1-3,7]");
        assert_eq!(fold("n09 n10 n11 login gpu1.x gpu2.x"), "n[09-11],login,gpu[1-2].x");
        assert_eq!(fold("n9 n10"), "n[9-10]");
        assert_eq!((fold("a n1"), folded([])), ("a,n1".to_owned(), String::new()));
        assert_eq!(fold("r1n1 r1n2 r2n1"), "r1n[1-2],r2n1");
    }

    proptest! {
        #[test]
        fn what_is_folded_unfolds_to_the_same(wanted in prop::collection::btree_set("(n|r[0-9]|gpu-)[0-9]{0,3}(\\.x)?", 0..40)) {
            let found: std::collections::BTreeSet<String> = names(&folded(wanted.iter().map(String::as_str))).unwrap().into_iter().collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
