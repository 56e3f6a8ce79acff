//! A chroot whose root is an overlay, as a running master has it, for tests that must not touch the machine's own.

use crate::place::{Place, Ran, may_mount, skip};

/// Makes it in /mnt/root: a place's tree is the lower one, with the host's programs beside those of the place. The
/// folder is /mnt, and `$2` the binary under test.
const SCENE: &str = r#"
    mount -t tmpfs none /mnt; cd /mnt; mkdir lower upper work root usr usr-upper usr-work
    cp -a "$1/." lower
    cd lower; mkdir -p usr etc/runit proc dev run srv tmp boot home; for link in bin sbin lib lib64; do ln -s usr/$link $link; done; cd ..
    # Where Debian's awk leads.
    [ ! -d /etc/alternatives ] || cp -a /etc/alternatives lower/etc
    printf 'msg() { :; }\nmsg_warn() { echo "WARNING: $*"; }\n' >lower/etc/runit/functions
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none root
    mount -t overlay -o lowerdir=lower/usr:/usr,upperdir=usr-upper,workdir=usr-work none usr
    cp "$2" usr/bin/voidclust
    mount --bind usr root/usr; mount --rbind /dev root/dev; mount --rbind /proc root/proc; mount -t tmpfs none root/run
    cd root/run; mkdir -p rootfs/lower rootfs/cowspace/upper voidclust bin; cd /mnt
    mount --bind lower root/run/rootfs/lower; mount --bind upper root/run/rootfs/cowspace/upper
"#;

/// The scene of `place` with the packages' overlays, or `None` where it cannot be set.
pub(crate) fn skipped(test: &str, place: &Place) -> bool {
    if !place.add_packaged_overlays() {
        skip(test, "no packaged overlays here");
        return true;
    }
    if !may_mount() || run(&Place::empty(), "").status != 0 {
        skip(test, "no overlays can be mounted here");
        return true;
    }
    false
}

/// Runs a shell script beside the chroot /mnt/root of `place`; `inside COMMAND` runs one in it, with /run/bin before all
/// other programs.
pub(crate) fn run(place: &Place, script: &str) -> Ran {
    let inside = r#"inside() { PATH=/run/bin:/usr/bin:/usr/sbin chroot root /bin/sh -c "$1"; }"#;
    place.unshared(&format!("{SCENE}\n{inside}\n{script}"))
}
