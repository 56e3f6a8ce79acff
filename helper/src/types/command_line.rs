//! A piece of the kernel's command line, which passes through two loaders before the kernel and our hooks read it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{LONGEST, nearest, shown, whole_number};

/// Kernel parameters. What one of the loaders would take for its own is refused, and so is what would take the place of a
/// parameter of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandLine(String);
text_type!(CommandLine);

impl FromStr for CommandLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // GRUB's script language gives these a meaning, and PXELINUX passes quotes on. A line break would end the entry.
        let plain = |b: u8| matches!(b, b' '..=b'~') && !b"\"'`\\$;{}|&<>".contains(&b);
        if !text.bytes().all(plain) {
            return Err(format!(
                "`{}` cannot be passed on a kernel command line; leave out quotes, backslashes, braces, `$`, `;`, `|`, `&`, `<`, `>`, control characters and all but ASCII",
                shown(text)
            ));
        }
        if text.len() > LONGEST {
            return Err(format!("{} bytes of kernel parameters are too many; leave it at {LONGEST}", text.len()));
        }
        text.split(' ').try_for_each(word)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CommandLine {
    /// The parameters as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks one parameter.
fn word(word: &str) -> Result<(), String> {
    let wrong =
        |why: &str, remedy: &str| Err(format!("`{}` cannot be passed on a kernel command line: {why}; {remedy}", shown(word)));
    if word.starts_with('#') {
        return wrong("the initramfs reads no further than a word that begins with `#`", "leave it out");
    }
    if word == "--" {
        return wrong("what follows it would go to init, the parameters after yours too", "leave it out");
    }
    // Its module regexp, which finds out the MAC, also expands patterns; no name that they could match has a `=` in it.
    if word == "]]" || word.split('=').next().is_some_and(|name| name.contains(['*', '?', '[']) && !word.contains('=')) {
        return wrong("GRUB would take it for a pattern or a test", "leave it out");
    }
    // It is looked for as a part of the whole line (syslinux, com32/elflink/ldlinux/kernel.c).
    if word.contains("initrd=") {
        return wrong("PXELINUX would load that file instead of the image", "leave it out");
    }
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "nfsroot" => wrong("voidclust makes it itself", "use root_server and root_options under [nfs]"),
        "nfsown" => wrong("voidclust makes it itself", "leave it out"),
        "ip" | "nfsaddrs" => wrong("voidclust makes it itself", "use the `address` of the node, or DHCP"),
        "BOOTIF" => wrong("the loader makes it itself", "use the `mac` of the node"),
        "BOOT_IMAGE" => wrong("the loader makes it itself", "use `kernel` to choose one"),
        "keeppxe" => wrong("PXELINUX would leave the firmware's driver at work on the card", "leave it out"),
        "vga" if !is_video_mode(value) => {
            wrong("GRUB would not load the kernel", "write a number such as vga=0x317, or vga=normal")
        }
        "disablehooks" if value.split(',').any(|hook| OUR_HOOKS.contains(&hook)) => {
            wrong("without that hook of the initramfs no node boots", "leave it out")
        }
        "modprobe.blacklist" | "module_blacklist" if value.split(',').any(|module| OUR_MODULES.contains(&module)) => {
            wrong("without that module no node gets its root", "leave it out")
        }
        "root" => wrong("a client's root comes from the network", "use root_server under [nfs]"),
        "overlay" if !matches!(value, "on" | "off") => wrong("it is on or off", "write overlay=off to boot the plain root"),
        "overlay.size" if !is_size(value) => {
            wrong("it is no size for the changes of a node", "write a share such as overlay.size=50%, or at least 4m")
        }
        "overlay.mode" if !is_mode(value) => wrong("it is no mode", "write for example overlay.mode=0755"),
        "root_timeout" if !is_timeout(value) => {
            wrong("it is no number of seconds from 1 to 86400", "write for example root_timeout=600")
        }
        _ => misspelt(name).map_or(Ok(()), |meant| wrong("there is no such parameter", &format!("did you mean {meant}?"))),
    }
}

/// Hooks and modules that a client's root needs.
const OUR_HOOKS: [&str; 6] = ["base", "coldplug", "net", "netroot", "overlayfs", "rclocal"];
const OUR_MODULES: [&str; 7] = ["nfs", "nfsv4", "overlay", "sunrpc", "lockd", "grace", "af_packet"];

/// What GRUB reads of `vga=` (grub-core/loader/i386/linux.c): it stops at anything else.
fn is_video_mode(mode: &str) -> bool {
    let is_hex = |hex: &str| hex.bytes().all(|b| b.is_ascii_hexdigit()) && u16::from_str_radix(hex, 16).is_ok();
    let is_number = mode.strip_prefix("0x").map_or_else(|| whole_number::<u16>(mode).is_some(), is_hex);
    matches!(mode, "normal" | "ext" | "ask") || is_number
}

/// What the hook overlayfs makes of the memory: bytes, kibibytes, … or a share. It has the same rule.
fn is_size(size: &str) -> bool {
    let (number, unit) = size.split_at(size.trim_end_matches(|c: char| !c.is_ascii_digit()).len());
    let number = Some(number).filter(|number| number.len() <= 11).and_then(whole_number::<u64>);
    let Some(number) = number.filter(|number| *number > 0) else { return false };
    match unit.to_ascii_lowercase().as_str() {
        "%" => number <= 100,
        "g" => true,
        "m" => number >= 4,
        "k" => number >= 4 << 10,
        "" => number >= 4 << 20,
        _ => false,
    }
}

/// Three to five octal digits.
fn is_mode(mode: &str) -> bool {
    (3..=5).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b))
}

/// Seconds, up to a day; the hook netroot has the same rule.
fn is_timeout(seconds: &str) -> bool {
    whole_number::<u32>(seconds).is_some_and(|seconds| (1..=86_400).contains(&seconds))
}

/// Our own parameter that a name is a slip of the pen for. The module of overlayfs has parameters of its own.
fn misspelt(name: &str) -> Option<&'static str> {
    const OURS: [&str; 5] = ["overlay.size", "overlay.mode", "root_timeout", "nfsroot", "nfsown"];
    const OF_THE_KERNEL: [&str; 2] = ["overlay.index", "rootwait"];
    nearest(name, OURS.into_iter().chain(OF_THE_KERNEL)).filter(|meant| OURS.contains(meant) && *meant != name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_hold_nothing_a_loader_would_interpret() {
        for text in [
            "loglevel=4 console=ttyS0,115200n8",
            "memmap=64M#1G a=#b",
            "acpi_osi=!* a=(b)!~%^*?[c]",
            "do done if fi",
            "",
            " a  b ",
        ] {
            assert!(text.parse::<CommandLine>().is_ok(), "{text}");
        }
        let quoted = ["a\"b", "a'b", "a`b", "a\\b"];
        let signs = ["$(x)", "a;b", "a|b", "a&b", "a<b", "a>b", "{a}", "#a", "a #b"];
        let words = ["[[ a ]]", "a ]]", "[", "*", "h*", "(hd?)", "/x*", "a -- b", "initrd=x", "a.initrd=x", "noinitrd=1"];
        for text in quoted.into_iter().chain(signs).chain(words).chain(["a\nb", "a\tb", "\u{7f}", "ä"]) {
            assert!(text.parse::<CommandLine>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn parameters_that_are_made_for_the_node_are_refused_with_the_key_that_makes_them() {
        for (text, remedy) in [
            ("nfsroot=10.0.0.1:/x", "root_server"),
            ("nfsown=10.0.0.1:/x", "leave it out"),
            ("quiet ip=dhcp", "`address`"),
            ("BOOTIF=01-52-54-00-00-00-01", "`mac`"),
            ("root=/dev/sda1", "root_server"),
            ("BOOT_IMAGE=vmlinuz", "`kernel`"),
            ("quiet keeppxe", "leave it out"),
            ("vga=high", "vga=0x317"),
            ("vga", "vga=0x317"),
            ("disablehooks=resume,netroot", "leave it out"),
            ("modprobe.blacklist=overlay", "leave it out"),
            ("module_blacklist=af_packet", "leave it out"),
            ("overlay.sise=2g", "did you mean overlay.size?"),
            ("root_timout=60", "did you mean root_timeout?"),
        ] {
            let wrong = text.parse::<CommandLine>().unwrap_err();
            assert!(wrong.rsplit_once("; ").unwrap().1.contains(remedy), "{wrong}");
        }
        assert!("vga=791 disablehooks=keymap modprobe.blacklist=nouveau panic=0".parse::<CommandLine>().is_ok());
        assert!("overlay.index=off rootwait rootflags=x overlay.metacopy=off".parse::<CommandLine>().is_ok());
    }

    #[test]
    fn values_of_our_own_parameters_that_cannot_work_are_refused() {
        let ok = [
            "overlay=off",
            "overlay.size=50%",
            "overlay.size=2g",
            "overlay.size=8M",
            "overlay.size=4194304",
            "overlay.mode=0700",
            "root_timeout=60",
        ];
        let wrong = [
            "overlay",
            "overlay=no",
            "overlay.size",
            "overlay.size=0",
            "overlay.size=50",
            "overlay.size=0%",
            "overlay.size=101%",
            "overlay.size=3m",
            "overlay.size=4095k",
            "overlay.size=010m",
            "overlay.size=1t",
            "overlay.size=m",
            "overlay.size=1.5g",
            "overlay.size=1e9",
            "overlay.size=-1",
            "overlay.size=+5m",
            "overlay.size= 50%",
            "overlay.size=99999999999999999999",
            "overlay.mode=0",
            "overlay.mode=0855",
            "overlay.mode",
            "root_timeout=0",
            "root_timeout=060",
            "root_timeout=+5",
            "root_timeout=10m",
            "root_timeout=",
            "root_timeout=99999999999",
        ];
        assert_eq!(ok.map(|text| text.parse::<CommandLine>().is_ok()), [true; 7]);
        for text in wrong {
            assert!(text.parse::<CommandLine>().is_err(), "{text}");
        }
    }
}
