//! A master that really runs from an overlay, as far as this machine can make one.

use crate::overlay_root;
use crate::place::Place;

/// An applied site, its master running from a real overlay; programs of the machine are doubles.
fn scene(test: &str) -> Option<Place> {
    let place = Place::live();
    if overlay_root::skipped(test, &place) {
        return None;
    }
    place.run(&["apply"]).ended(0);
    Some(place)
}

const DOUBLES: &str = r#"
    double() { printf '#!/bin/sh\n%s\necho "${0##*/} $*" >>/run/told\n' "${2-}" >$3/run/bin/$1; chmod 755 $3/run/bin/$1; }
    double mount 'case "$*:$LIBMOUNT_FORCE_MOUNT2" in *remount*:always) ;; *) echo "no changes allowed" >&2; exit 32 ;; esac' root
    echo 52:54:00:17:c7:e1 >root/run/voidclust/macs
"#;

#[test]
fn a_real_overlay_is_remounted_as_libmount_wants_it() {
    let Some(place) = scene("a_real_overlay_is_remounted_as_libmount_wants_it") else { return };
    let script = format!("{DOUBLES}\ninside 'voidclust apply' >/dev/null; cat root/run/told; cat root/etc/hostname");
    assert_eq!(overlay_root::run(&place, &script).ended(0).out, "mount -o remount /\nmaster.cluster\n");
}

#[test]
fn a_chroot_of_the_lower_tree_tells_the_machine_outside() {
    let Some(place) = scene("a_chroot_of_the_lower_tree_tells_the_machine_outside") else { return };
    // The first process of a name space sees the overlay; the lower tree is entered as `voidclust shell` does it, but for the name space.
    let script = format!(
        r#"{DOUBLES}
        mount --bind usr root/run/rootfs/lower/usr
        mkdir -p lower/etc/voidclust.d; printf '[boot]\ntimeout = 5\n' >lower/etc/voidclust.d/1.conf
        unshare --pid --fork chroot root /bin/sh -ec '
            export PATH=/run/bin:/usr/bin:/usr/sbin:/bin:/sbin
            /usr/bin/mount -t proc proc /proc
            /usr/bin/mount --rbind /proc /run/rootfs/lower/proc; /usr/bin/mount --rbind /dev /run/rootfs/lower/dev
            chroot /run/rootfs/lower /bin/sh -c "cd /; voidclust -r . hook post-install"
        ' 2>&1
        echo "told: $(cat root/run/told)""#
    );
    let ran = overlay_root::run(&place, &script).ended(0);
    assert!(ran.out.contains("changed hostname\n") && ran.out.ends_with("told: mount -o remount /\n"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_shell_is_in_the_lower_tree_and_leaves_no_mount() {
    let Some(place) = scene("a_shell_is_in_the_lower_tree_and_leaves_no_mount") else { return };
    let script = format!(
        r#"{DOUBLES}
        double mount 'case "$*" in *remount*) ;; *) exec /usr/bin/mount "$@" ;; esac' root
        mkdir -p lower/sys lower/etc/voidclust.d root/sys; echo nameserver 192.0.2.1 >root/etc/resolv.conf
        mount --bind usr root/run/rootfs/lower/usr; mount --rbind /sys root/sys
        cat >lower/inside <<'EOF'
            cat /etc/resolv.conf
            touch /etc/x
            [ -e /proc/self ] && [ -c /dev/null ] && [ -d /sys/class ] && [ -e /run/told ] || echo not all is mounted
            printf '[boot]\ntimeout = 5\n' >/etc/voidclust.d/1.conf
            cd /; voidclust -r . hook post-install
            exit 7
EOF
        unshare --pid --fork chroot root /bin/sh -ec '
            export PATH=/run/bin:/usr/bin:/usr/sbin:/bin:/sbin SHELL=/bin/sh
            /usr/bin/mount -t proc proc /proc
            >/run/told
            wc -l </proc/self/mountinfo >/run/before
            voidclust shell -- sh /inside || echo status $?
            wc -l </proc/self/mountinfo >/run/after
        ' 2>&1
        cmp root/run/before root/run/after
        ls lower/etc/x lower/etc/resolv.conf || :
        echo "told: $(grep -c remount root/run/told)""#
    );
    let ran = overlay_root::run(&place, &script);
    let wanted = [
        "nameserver 192.0.2.1\n",
        "status 7\n",
        "lower/etc/x\n",
        "changed hostname\n",
        "the running machine sees what was changed",
    ];
    for said in wanted {
        assert!(ran.out.contains(said), "{said}: {}{}", ran.out, ran.err);
    }
    assert!(!ran.out.contains("not all is mounted") && !ran.out.contains("lower/etc/resolv.conf"), "{}", ran.out);
    // The hook inside tells the machine, and so does the shell.
    assert!(ran.out.ends_with("told: 2\n"), "{}{}", ran.out, ran.err);
}

#[test]
fn the_lower_tree_by_its_own_path_is_the_machines() {
    let Some(place) = scene("the_lower_tree_by_its_own_path_is_the_machines") else { return };
    let script = format!(
        "{DOUBLES}
        inside 'voidclust -r /run/rootfs/lower image prune'; cat root/run/told
        inside 'cd /run/rootfs/lower; voidclust -r . hook kernel-remove 6.12.9_1'"
    );
    let out = overlay_root::run(&place, &script).ended(0).out;
    assert!(out.contains("mount -o remount /\n") && !out.contains("only the running system's memory"), "{out}");
}

#[test]
fn a_lower_tree_that_is_read_only_is_the_reason() {
    let Some(place) = scene("a_lower_tree_that_is_read_only_is_the_reason") else { return };
    let script =
        format!("{DOUBLES}\nmount -o remount,bind,ro root/run/rootfs/lower; inside 'voidclust apply' 2>&1 || echo status $?");
    let out = overlay_root::run(&place, &script).ended(0).out;
    let want = "voidclust: /run/rootfs/lower/: cannot be written; /run/rootfs/lower is mounted read-only; ";
    assert!(out.contains(want) && out.ends_with("status 1\n"), "{out}");
}
