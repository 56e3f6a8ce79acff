//! By what the clients' image is compressed: a node whose kernel cannot unpack it would panic, on a screen that nobody sees.

use crate::place::Place;

const OLD: &str = "6.12.1_1";
const NEW: &str = "6.12.2_1";

/// A root with two kernels, whose configurations have these lines, and programs.
fn place(old: &str, new: &str, programs: &[&str]) -> Place {
    let place = Place::small();
    for (kernel, config) in [(OLD, old), (NEW, new)] {
        place.write(&format!("boot/vmlinuz-{kernel}"), "kernel");
        place.write(&format!("boot/config-{kernel}"), format!("{CLIENT}{config}"));
        place.write(&format!("usr/lib/modules/{kernel}/modules.dep"), "");
    }
    for program in programs {
        place.write(&format!("usr/bin/{program}"), "");
    }
    place
}

fn wish(place: &Place, compression: &str) {
    place.write("etc/voidclust.d/1.conf", format!("[client]\ncompression = \"{compression}\"\n"));
}

/// What a client needs besides.
const CLIENT: &str = "CONFIG_PACKET=y\nCONFIG_NFS_V4=m\nCONFIG_OVERLAY_FS=m\nCONFIG_TMPFS=y\n";
const ALL: &str = "CONFIG_RD_GZIP=y\nCONFIG_RD_XZ=y\nCONFIG_RD_ZSTD=y\n";
const GZIP: &str = "CONFIG_RD_GZIP=y\n# CONFIG_RD_XZ is not set\n";

#[test]
fn what_a_booted_kernel_cannot_unpack_is_refused_with_what_it_can() {
    let place = place(ALL, GZIP, &[]);
    let ran = place.run(&["apply"]).ended(1);
    let said = "ROOT/etc/voidclust.conf: kernel 6.12.2_1 cannot unpack an image that zstd made, and would panic: no \
                CONFIG_RD_ZSTD=y in /boot/config-6.12.2_1; write compression = \"gzip\" under [client], or boot another kernel\n";
    assert!(ran.err.contains(said), "{}", ran.err);
    wish(&place, "xz");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.contains("ROOT/etc/voidclust.d/1.conf:2:15: kernel 6.12.2_1 cannot unpack"), "{}", ran.err);
    wish(&place, "gzip");
    place.run(&["check"]).ended(0);
    // Nobody boots that kernel any more.
    place.write("etc/voidclust.d/1.conf", format!("[client]\nkernel = \"{OLD}\"\n"));
    place.run(&["check"]).ended(0);
}

#[test]
fn a_kernel_that_could_not_boot_a_client_is_refused_when_it_is_booted() {
    let place = place(ALL, ALL, &["mkinitcpio"]);
    let config = place.read("boot/config-6.12.2_1");
    place.write("boot/config-6.12.2_1", config.replace("CONFIG_OVERLAY_FS=m", "# CONFIG_OVERLAY_FS is not set"));
    let ran = place.run(&["check"]).ended(1);
    let said = "ROOT/etc/voidclust.conf: kernel 6.12.2_1 cannot boot a client: no CONFIG_OVERLAY_FS in /boot/config-6.12.2_1, to lay \
                an overlay over its root; boot another kernel\n";
    assert!(ran.err.contains(said), "{}", ran.err);
    place.write("etc/voidclust.d/1.conf", format!("[client]\nkernel = \"{OLD}\"\n"));
    place.run(&["check"]).ended(0);
    let ran = place.run(&["image", "build", "--kernel", NEW]).ended(1);
    assert!(ran.err.contains("client image of 6.12.2_1: kernel 6.12.2_1 cannot boot a client"), "{}", ran.err);
}

#[test]
fn an_image_that_its_kernel_cannot_unpack_is_not_made_for_later_either() {
    let place = place(GZIP, ALL, &["mkinitcpio"]);
    place.run(&["check"]).ended(0);
    let ran = place.run(&["image", "build", "--kernel", OLD]).ended(1);
    assert!(ran.err.contains("client image of 6.12.1_1: kernel 6.12.1_1 cannot unpack"), "{}", ran.err);
}

#[test]
fn a_program_that_is_not_there_is_told_before_an_image_comes_out_uncompressed() {
    let place = place(ALL, ALL, &["mkinitcpio"]);
    wish(&place, "xz");
    let ran = place.run(&["check"]).ended(1);
    let said = "1.conf:2:15: there is no xz in ROOT/, which would compress the clients' image\n";
    assert!(ran.err.contains(said) && ran.err.contains("= write compression = \"zstd\" under [client], or install xz there"));
    place.write("usr/bin/xz", "");
    place.run(&["check"]).ended(0);
}

#[test]
fn diff_shows_another_compression_and_the_images_that_it_makes_anew() {
    let place = place(ALL, ALL, &[]);
    place.run(&["apply"]).ended(0);
    place.write("usr/bin/mkinitcpio", "");
    place.write("usr/bin/gzip", "");
    wish(&place, "gzip");
    let ran = place.run(&["diff"]).ended(3);
    assert!(
        ran.out.contains("\n-COMPRESSION=zstd\n-COMPRESSION_OPTIONS=(-10 --zstd=wlog=25)\n+COMPRESSION=gzip\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("image: {NEW}\n")), "{}", ran.out);
}
