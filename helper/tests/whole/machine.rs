//! A running machine in a folder: its /proc, /sys and /run are files, and what the program would tell the real one goes to
//! doubles on PATH. So what happens to a master or a client is tried without the rights of root.

use std::path::Path;
use std::process::Command;

use crate::place::{CRATE, Place, Ran};

/// Where a machine sees the tree below its overlay.
pub(crate) const LOWER: &str = "run/rootfs/lower";

/// The drop-in by which all nodes boot the live tree.
pub(crate) const LIVE_TREE: &str = "00-live";

/// A machine.
pub(crate) struct Machine {
    pub(crate) place: Place,
}

impl Machine {
    /// A machine with the example's site, its root on ext4.
    pub(crate) fn plain() -> Self {
        let machine = Self { place: Place::empty() };
        machine.site("");
        let place = &machine.place;
        place.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        place.write("proc/cmdline", "quiet\n");
        place.write("sys/class/net/eth0/address", "52:54:00:17:c7:e1\n");
        place.write("sys/class/net/eth0/device/vendor", "");
        let number = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let (network, mask) = (number([172, 23, 199, 0]), number([255, 255, 255, 0]));
        place.write("proc/net/route", format!("eth0\t{network}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n"));
        place.write("proc/net/fib_trie", "Local:\n |-- 172.23.199.225\n /32 host LOCAL\n");
        for service in ["dnsmasq", "nfs-server", "acpid"] {
            place.write(&format!("etc/sv/{service}/run"), "");
            place.link(format!("/etc/sv/{service}"), &format!("etc/runit/runsvdir/default/{service}"));
            // What runs is seen through the link, which leads to the real machine here.
            place.write(&format!("etc/runit/runsvdir/current/{service}/run"), "");
        }
        for tool in ["sv", "exportfs", "rpc.nfsd"] {
            machine.double(tool, "");
        }
        // What is mounted can be seen.
        let (table, slash) = (place.at("proc/self/mountinfo").display().to_string(), place.root().display().to_string());
        let add = format!("for point; do :; done; echo \"$$ 29 0:50 / ${{point#{slash}}} ro - tmpfs nodes rw\" >>{table}");
        machine.double("mount", &format!("case $* in *remount*) ;; *) {add} ;; esac"));
        let cut = format!("for point; do :; done; sed -i \"\\|/${{point#{slash}/}} ro|d\" {table}");
        machine.double("umount", &cut);
        machine
    }

    /// The site's files in the tree of this prefix.
    fn site(&self, tree: &str) {
        self.place.copy_tree(&Path::new(CRATE).join("examples/vcluster"), tree);
        let overlay = |path: &str, text: &str| {
            let folder = if tree.is_empty() { String::new() } else { format!("{tree}/") };
            self.place.write(&format!("{folder}usr/share/voidclust/overlays/{path}"), text);
        };
        let dns = "{% if not network.answers_dns %}\nport=0\n{% endif %}\n";
        overlay("master/dnsmasq.conf.j2", &format!("{dns}{{% if network.dhcp == \"proxy\" %}}proxy{{% endif %}}\n"));
        overlay("master/dnsmasq.hosts.j2", "{% for node in nodes %}{{ node.macs[0] }},{{ node.address }}\n{% endfor %}\n");
        overlay("master/hosts.j2", "{% for node in nodes %}{{ node.address }} {{ node.fqdn }}\n{% endfor %}\n");
        overlay("master/exports.d/voidclust.exports.j2", "/srv {% for client in nfs.clients %}{{ client }} {% endfor %}\n");
        overlay("master/sv/nfs-server/conf.j2", "PROCESSES={{ nfs.threads }}\n");
        overlay("master/rc.local.j2", "home={{ nfs.home.path }}\n");
        overlay("master/hostname.j2", "{{ node.fqdn }}\n");
        overlay("client/hostname.j2", "{{ node.fqdn }}\n");
    }

    /// The same, running from its overlay; what it has to do first is done.
    pub(crate) fn master() -> Self {
        let machine = Self::plain();
        machine.site(LOWER);
        // What is about generations takes a copy of the tree: tests of those remove this.
        machine.configure(LIVE_TREE, "[client]\ngeneration = \"head\"\n");
        machine.mounts("");
        machine.place.write("run/voidclust/macs", "52:54:00:17:c7:e1\n");
        machine.run(&["apply"]).ended(0);
        machine.place.remove("run/voidclust/reboot");
        machine.told();
        machine
    }

    /// Mounts the overlay, and what else these lines say.
    pub(crate) fn mounts(&self, lines: &str) {
        let table = "30 1 0:30 / / rw - overlay overlay rw\n\
            22 30 0:20 / /run rw - tmpfs run rw\n\
            23 22 8:1 / /run/rootfs/lower rw - ext4 /dev/sda1 rw\n\
            29 30 0:25 / /srv/nfs rw - tmpfs nfsroot rw\n";
        self.place.write("proc/self/mountinfo", format!("{table}{lines}"));
    }

    /// A program that writes down what it was told, after a script of its own.
    pub(crate) fn double(&self, tool: &str, script: &str) {
        let told = self.place.at("told").display().to_string();
        self.place.write(&format!("bin/{tool}"), format!("#!/bin/sh\n{script}\necho \"{tool} $*\" >>'{told}'\n"));
        self.place.chmod(&format!("bin/{tool}"), 0o755);
    }

    /// What the doubles were told since the last time, but for mounts; sorted.
    pub(crate) fn told(&self) -> Vec<String> {
        if !self.place.at("told").exists() {
            return Vec::new();
        }
        let root = self.place.root().display().to_string();
        let mut told: Vec<String> = self.place.read("told").lines().map(|line| line.replace(&root, "")).collect();
        self.place.remove("told");
        told.retain(|line| !line.starts_with("mount ") && !line.starts_with("umount "));
        told.sort();
        told
    }

    /// What is mounted below a folder of it, by its name there; sorted.
    pub(crate) fn mounted_below(&self, folder: &str) -> Vec<String> {
        let table = self.place.read("proc/self/mountinfo");
        let points = table.lines().filter_map(|line| line.split(' ').nth(4)?.strip_prefix(&format!("/{folder}/")));
        let mut points: Vec<String> = points.map(ToOwned::to_owned).collect();
        points.sort();
        points
    }

    /// The binary with this machine, to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::place::program(env!("CARGO_BIN_EXE_voidclust"));
        let path = format!("{}:/usr/bin:/bin", self.place.at("bin").display());
        command.env_clear().env("PATH", path).arg("--machine").arg(self.place.root()).args(arguments);
        command
    }

    /// Runs the binary on this machine.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.place.ran(&mut self.command(arguments))
    }

    /// Adds lines to the configuration in the lower tree.
    pub(crate) fn configure(&self, name: &str, text: &str) {
        self.place.write(&format!("{LOWER}/etc/voidclust.d/{name}.conf"), text);
    }

    /// Kernels of a machine, each with its image, the oldest first.
    pub(crate) fn images(&self, kernels: &[&str]) {
        for (built, kernel) in kernels.iter().enumerate() {
            let digest = format!("{built:012x}");
            let folder = self.lower(&format!("srv/tftp/images/{kernel}-{digest}"));
            let part = |text: &str| {
                use sha2::{Digest, Sha256};
                let sum: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
                format!("size = {}\nsha256 = \"{sum}\"\n", text.len())
            };
            self.place.write(&format!("{folder}/vmlinuz"), "kernel");
            self.place.write(&format!("{folder}/initramfs.img"), "image");
            let text = format!(
                "kernel = \"{kernel}\"\ndigest = \"{digest}\"\ninputs = \"x\"\nbuilt = {}\n\n[vmlinuz]\n{}\n[initramfs]\n{}",
                built + 1,
                part("kernel"),
                part("image")
            );
            self.place.write(&format!("{folder}/manifest"), text);
            self.place.write(&self.lower(&format!("boot/vmlinuz-{kernel}")), "kernel");
            self.place.write(&self.lower(&format!("usr/lib/modules/{kernel}/modules.dep")), "");
        }
    }

    /// A file of the tree below the overlay.
    pub(crate) fn lower(&self, path: &str) -> String {
        format!("{LOWER}/{path}")
    }
}
