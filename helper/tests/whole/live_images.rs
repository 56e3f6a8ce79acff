//! Images, menus and what is served of them on a running master.

use crate::machine::Machine;

#[test]
fn nothing_is_pruned_before_the_menus_without_it_are_served() {
    let machine = Machine::master();
    let kernels = ["6.12.1_1", "6.12.2_1", "6.12.3_1"];
    machine.images(&kernels);
    let there =
        |kernel: usize| machine.place.at(&machine.lower(&format!("srv/tftp/images/{}-{kernel:012x}", kernels[kernel]))).exists();
    let served = machine.place.at(&machine.lower("srv/tftp/pxelinux.cfg/default")).display().to_string();
    // When the overlay learns of the menus they are switched, and the image is still there.
    let image = machine.place.at(&machine.lower("srv/tftp/images/6.12.1_1-000000000000")).display().to_string();
    let script = format!(
        "! grep -q 6.12.1_1 '{served}' && [ -d '{image}' ] || exit 1\necho seen >>'{}'",
        machine.place.at("seen").display()
    );

    machine.double("mount", "exit 1");
    let ran = machine.run(&["image", "prune"]).ended(1);
    assert!(ran.err.contains("mount -o remount") && there(0), "{}", ran.err);

    machine.double("mount", &script);
    let ran = machine.run(&["image", "prune"]).ended(0);
    assert!(ran.out.contains("pruned images/6.12.1_1-000000000000\n") && ran.out.ends_with("1 image pruned\n"), "{}", ran.out);
    assert!(!there(0) && there(1) && there(2) && machine.place.at("seen").exists());
}

#[test]
fn what_a_kernel_hook_could_not_remove_a_prune_does() {
    let machine = Machine::master();
    machine.images(&["6.12.1_1", "6.12.2_1"]);
    machine.run(&["image", "prune"]).ended(0);
    machine.place.remove(&machine.lower("boot/vmlinuz-6.12.1_1"));
    machine.place.remove(&machine.lower("usr/lib/modules/6.12.1_1"));
    let lock = std::fs::File::open(machine.place.at(&machine.lower("var/lib/voidclust/lock"))).unwrap();
    lock.lock().unwrap();
    assert_eq!(machine.run(&["image", "prune"]).status, 1);
    drop(lock);
    let ran = machine.run(&["image", "prune"]).ended(0);
    assert!(ran.out.contains("pruned images/6.12.1_1-000000000000\n"), "{}", ran.out);
    let menu = machine.place.read(&machine.lower("srv/tftp/pxelinux.cfg/default"));
    assert!(menu.contains("6.12.2_1") && !menu.contains("6.12.1_1"), "{menu}");
}

#[test]
fn every_change_of_the_lower_tree_reaches_the_running_machine() {
    let machine = Machine::master();
    machine.images(&["6.12.1_1", "6.12.2_1"]);
    machine.place.write(&machine.lower("usr/bin/mkinitcpio"), "");
    machine.double("chroot", "exit 1");
    machine.double("unshare", "exit 1");
    let seen = machine.place.at("seen");
    machine.double("mount", &format!("echo >>'{}'", seen.display()));
    for arguments in [
        &["apply"][..],
        &["image", "build"],
        &["image", "prune"],
        &["hook", "post-install"],
        &["hook", "kernel-install", "6.12.2_1"],
        &["hook", "live"],
    ] {
        let _ = machine.run(arguments);
        assert!(seen.exists(), "{arguments:?}");
        machine.place.remove("seen");
    }
}
