//! Commands on a master that runs from its overlay: the files are those of the lower tree, the services the machine's own.

use crate::overlay_root;
use crate::place::{Place, Ran};

/// An applied site, its master running; programs of the machine are doubles that write what they were told to /run/told.
fn master(test: &str) -> Option<Place> {
    let place = Place::small();
    if overlay_root::skipped(test, &place) {
        return None;
    }
    place.run(&["apply"]).ended(0);
    for service in ["dnsmasq", "nfs-server"] {
        place.write(&format!("etc/sv/{service}/run"), "");
        place.link(format!("/etc/sv/{service}"), &format!("etc/runit/runsvdir/default/{service}"));
    }
    place.link("default", "etc/runit/runsvdir/current");
    Some(place)
}

/// Runs a script beside the running master.
fn run(place: &Place, script: &str) -> Ran {
    let doubles = r#"
        double() { printf '#!/bin/sh\n%s\necho "${0##*/} $*" >>/run/told\n' "${2-}" >root/run/bin/$1; chmod 755 root/run/bin/$1; }
        double sv; double exportfs
        # As libmount from 2.39 on.
        double mount 'case "$*:$LIBMOUNT_FORCE_MOUNT2" in *remount*:always) ;; *) echo "no changes allowed" >&2; exit 32 ;; esac'
        add() { printf '[[node]]\nname = "%s"\nmac = "52:54:00:00:09:%s"\naddress = "172.23.199.1%s"\n' "$1" "$2" "$2" >>lower/etc/voidclust.conf; }
        told() { echo "told:"; [ ! -e root/run/told ] || { sort -u root/run/told; rm root/run/told; }; }
        echo 52:54:00:17:c7:e1 >root/run/voidclust/macs
        inside 'voidclust refresh' >/dev/null 2>&1 || :; rm -f root/run/told
    "#;
    overlay_root::run(place, &format!("{doubles}\n{script}"))
}

#[test]
fn apply_lays_the_masters_overlay_and_tells_the_services() {
    let Some(place) = master("apply_lays_the_masters_overlay_and_tells_the_services") else { return };
    let ran = run(&place, "add n9 09; inside 'voidclust apply' >/dev/null; told; grep -c n9 root/etc/hosts").ended(0);
    assert_eq!(ran.out, "told:\nexportfs -ra\nmount -o remount /\nsv restart dnsmasq\n1\n");
}

#[test]
fn services_that_could_not_be_told_are_told_by_the_next_run() {
    let Some(place) = master("services_that_could_not_be_told_are_told_by_the_next_run") else { return };
    let script = "add n9 09; double sv 'exit 1'; inside 'voidclust apply' >out 2>&1 || echo status $?; told
        grep -o 'sv restart dnsmasq. failed' out; double sv; inside 'voidclust apply' >/dev/null; told
        inside 'voidclust apply' >/dev/null; told";
    let want = "status 1\ntold:\nexportfs -ra\nmount -o remount /\nsv restart dnsmasq` failed\n\
        told:\nmount -o remount /\nsv restart dnsmasq\n\
        told:\nmount -o remount /\n";
    assert_eq!(run(&place, script).ended(0).out, want);
}

#[test]
fn a_run_that_names_no_service_forgets_none() {
    let Some(place) = master("a_run_that_names_no_service_forgets_none") else { return };
    let script = "add n9 09; double sv 'exit 1'; inside 'voidclust apply' >out 2>&1 || echo status $?; double sv
        # No room for the work of lay-overlays.
        double mkdir 'exit 1'; inside 'voidclust apply' >out 2>&1 || echo status $?; rm root/run/bin/mkdir root/run/told
        inside 'voidclust apply' >/dev/null; told";
    assert_eq!(run(&place, script).ended(0).out, "status 1\nstatus 1\ntold:\nmount -o remount /\nsv restart dnsmasq\n");
}

#[test]
fn a_broken_archive_of_the_site_keeps_no_service_from_being_told() {
    let Some(place) = master("a_broken_archive_of_the_site_keeps_no_service_from_being_told") else { return };
    place.write("etc/overlays/52:54:00:17:c7:e1.50-site.tar", "garbage");
    let ran =
        run(&place, "add n9 09; inside 'voidclust apply' >out 2>&1 || echo status $?; told; grep -c 50-site.tar out").ended(0);
    assert!(ran.out.starts_with("status 1\ntold:\nexportfs -ra\nmount -o remount /\nsv restart dnsmasq\n"), "{}", ran.out);
}

#[test]
fn a_part_of_the_system_that_clients_cannot_see_is_told() {
    let Some(place) = master("a_part_of_the_system_that_clients_cannot_see_is_told") else { return };
    let ran =
        run(&place, "mkdir -p root/var; mount -t tmpfs none root/var; inside 'voidclust apply' | grep note: | grep -v /boot")
            .ended(0);
    let notes: Vec<&str> = ran.out.lines().filter(|line| line.contains("a file system of its own")).collect();
    // The scene's own /usr is one, too.
    assert_eq!(notes.iter().map(|note| note.split(':').nth(1).unwrap()).collect::<Vec<_>>(), [" /usr", " /var"], "{}", ran.out);
}

#[test]
fn what_is_removed_from_memory_only_leaves_the_disk_alone() {
    let Some(place) = master("what_is_removed_from_memory_only_leaves_the_disk_alone") else { return };
    let script = "cd root; for hook in remove 'kernel-remove 6.12.9_1' 'kernel-install 6.12.9_1'; do
            chroot . /bin/sh -c \"cd /; : | voidclust -r . hook $hook\"; done
        ls run/rootfs/lower/var/lib/voidclust/manifest.toml; ls run/rootfs/lower/etc/overlays | wc -l";
    let ran = run(&place, script).ended(0);
    for command in ["xbps-remove cluster-master", "vkpurge rm 6.12.9_1", "xbps-install linux6.12"] {
        assert!(ran.out.contains(&format!("to keep it: xchroot /run/rootfs/lower {command}\n")), "{}", ran.out);
    }
    assert!(ran.out.ends_with("/manifest.toml\n5\n"), "{}", ran.out);
}

#[test]
fn an_edit_in_memory_is_refused_until_the_lower_file_is_edited_too() {
    let Some(place) = master("an_edit_in_memory_is_refused_until_the_lower_file_is_edited_too") else { return };
    place.write("etc/voidclust.d/a.conf", "[boot]\ntimeout = 3\n");
    let script = r#"
        check() { inside 'voidclust check' 2>&1 | grep -o 'was [a-z]* in memory\|keep it with: .*\|^ok' || :; }
        echo '# mine' >>root/etc/voidclust.conf; check
        inside 'cp -a /etc/voidclust.conf /run/rootfs/lower/etc/voidclust.conf'; check
        sleep 0.02; echo '# in the lower tree' >>lower/etc/voidclust.conf; check
        chmod 600 root/etc/voidclust.conf; check
        rm root/etc/voidclust.d/a.conf; check
        rm lower/etc/voidclust.d/a.conf; check
        sleep 0.02; printf '[boot]\nkeep = 3\n' >lower/etc/voidclust.d/a.conf; check"#;
    let ran = run(&place, script).ended(0);
    let want = "was changed in memory\n\
        keep it with: cp -a /etc/voidclust.conf /run/rootfs/lower/etc/voidclust.conf\n\
        ok\nok\nok\n\
        was removed in memory\n\
        keep it with: rm -r /run/rootfs/lower/etc/voidclust.d/a.conf\nok\nok\n";
    assert_eq!(ran.out, want);
}
